import { DockerfileError } from "../errors.js";
import type {
  Dockerfile,
  DockerfileInstruction,
  DockerfileProblem,
  Heredoc,
  InstructionFlag,
} from "./dockerfile.js";
import { readDirectives } from "./directives.js";
import { parseExecForm } from "./exec-form.js";
import { findHeredocEnd, findHeredocStarts } from "./heredoc.js";
import { joinLines, type SourceText } from "./source-text.js";
import { endOfWord, skipBlanks } from "./words.js";

/** Several hundred times what people write. */
export const MAX_DOCKERFILE_LENGTH: number = 1024 * 1024;

const KEYWORDS = new Set(
  (
    "ADD ARG CMD COPY ENTRYPOINT ENV EXPOSE FROM HEALTHCHECK LABEL MAINTAINER ONBUILD RUN SHELL " +
    "STOPSIGNAL USER VOLUME WORKDIR"
  ).split(" "),
);
const WITH_FLAGS = new Set(["ADD", "COPY", "FROM", "HEALTHCHECK", "RUN"]);
const WITH_HEREDOCS = new Set(["ADD", "COPY", "RUN"]);
const WITH_EXEC_FORM = new Set(["ADD", "CMD", "COPY", "ENTRYPOINT", "RUN", "SHELL", "VOLUME"]);

/**
 * Reads a Dockerfile as BuildKit does: directives, comments, continuations, flags, JSON form and
 * heredocs, in time linear in its length. What BuildKit would refuse becomes a problem, not an error.
 *
 * @throws DockerfileError `ERR_DOCKERFILE_TOO_LARGE`, `ERR_DOCKERFILE_BINARY`
 */
export function readDockerfile(text: string): Dockerfile {
  refuseUnreadable(text);
  const lines = text.replace(/^\ufeff/, "").split("\n");
  for (const [index, line] of lines.entries()) {
    if (line.endsWith("\r")) lines[index] = line.slice(0, -1);
  }
  const { escape, syntax } = readDirectives(lines);
  const instructions: DockerfileInstruction[] = [];
  const problems: DockerfileProblem[] = [];
  let next = 0;
  while (next < lines.length) {
    const { source, end } = readLogicalLine(lines, next, escape);
    next = end;
    if (source === undefined) continue;
    const instruction = takeApart(source, escape);
    const { keyword, line } = instruction;
    if (!KEYWORDS.has(keyword)) {
      problems.push({ line, message: `Unknown instruction ${keyword.slice(0, 40)}.` });
    }
    const { heredocs, end: afterHeredocs } = readHeredocs(lines, next, instruction, escape);
    if (afterHeredocs > lines.length) {
      problems.push({ line, message: `Nothing ends the heredoc that begins here.` });
    }
    next = afterHeredocs;
    instructions.push({ ...instruction, heredocs });
  }
  if (!instructions.some(({ keyword }) => keyword === "FROM")) {
    problems.push({ line: 1, message: "There is no FROM." });
  }
  return { instructions, syntax, escape, lines: lines.length, problems };
}

function refuseUnreadable(text: string): void {
  if (text.length > MAX_DOCKERFILE_LENGTH) {
    throw new DockerfileError(
      "ERR_DOCKERFILE_TOO_LARGE",
      `The Dockerfile has ${text.length} characters, more than the ${MAX_DOCKERFILE_LENGTH} that are read.`,
      { hint: "Check that this is the Dockerfile; copy large data into the image from files." },
    );
  }
  if (text.includes("\0")) {
    throw new DockerfileError(
      "ERR_DOCKERFILE_BINARY",
      "The Dockerfile has NUL characters in it, so it is no text.",
      { hint: "Name the Dockerfile itself, saved as UTF-8." },
    );
  }
}

/** One instruction with its continuations; no source when there is only a comment or nothing. */
function readLogicalLine(
  lines: readonly string[],
  from: number,
  escape: string,
): { readonly source: SourceText | undefined; readonly end: number } {
  const texts: string[] = [];
  const parts: { offset: number; line: number }[] = [];
  let offset = 0;
  let index = from;
  let continues = true;
  while (continues && index < lines.length) {
    const written = lines[index] ?? "";
    index += 1;
    const trimmed = written.trimStart();
    if (trimmed === "" || trimmed.startsWith("#")) {
      if (texts.length === 0) break;
      continue;
    }
    const line = texts.length === 0 ? trimmed : written;
    const kept = withoutContinuation(line, escape);
    continues = kept !== undefined;
    const text = kept ?? line;
    if (text === "" && texts.length === 0) continue;
    texts.push(text);
    parts.push({ offset, line: index });
    offset += text.length;
  }
  const source = texts.length === 0 ? undefined : { text: texts.join(""), parts };
  return { source, end: index };
}

/** The line without the escape character at its end; undefined when none is there. */
function withoutContinuation(line: string, escape: string): string | undefined {
  let end = line.length;
  while (end > 0 && (line[end - 1] === " " || line[end - 1] === "\t")) end -= 1;
  if (end === 0 || line[end - 1] !== escape || line[end - 2] === escape) return undefined;
  return line.slice(0, end - 1);
}

function takeApart(source: SourceText, escape: string): DockerfileInstruction {
  const { text } = source;
  const keyword = (/^\S*/.exec(text)?.[0] ?? "").toUpperCase();
  const flags: InstructionFlag[] = [];
  let at = skipBlanks(text, keyword.length);
  while (WITH_FLAGS.has(keyword) && text.startsWith("--", at)) {
    const end = endOfWord(text, at, escape);
    const [name = "", ...value] = text.slice(at + 2, end).split("=");
    at = skipBlanks(text, end);
    if (name === "") break;
    flags.push({ name: name.toLowerCase(), value: value.join("=") });
  }
  return {
    keyword,
    line: source.parts[0]?.line ?? 1,
    source,
    flags,
    bodyOffset: at,
    execForm: WITH_EXEC_FORM.has(keyword) ? parseExecForm(text.slice(at).trim()) : undefined,
    heredocs: [],
  };
}

function readHeredocs(
  lines: readonly string[],
  from: number,
  { keyword, source, bodyOffset, execForm }: DockerfileInstruction,
  escape: string,
): { readonly heredocs: readonly Heredoc[]; readonly end: number } {
  const inner = keyword === "ONBUILD" ? innerKeyword(source.text, bodyOffset) : keyword;
  if (!WITH_HEREDOCS.has(inner) || execForm !== undefined) return { heredocs: [], end: from };
  let next = from;
  const heredocs = findHeredocStarts(source.text, bodyOffset, escape).map((start) => {
    const end = findHeredocEnd(lines, next, start);
    const content = lines.slice(next, end);
    const clean = start.stripsTabs ? content.map((line) => line.replace(/^\t+/, "")) : content;
    const heredoc = {
      name: start.name,
      expands: start.expands,
      content: joinLines(clean, next + 1),
    };
    next = end + 1;
    return heredoc;
  });
  return { heredocs, end: next };
}

function innerKeyword(text: string, from: number): string {
  return (/^\w*/.exec(text.slice(from, from + 20))?.[0] ?? "").toUpperCase();
}
