import { endOfReference } from "../variables/expand.js";
import type { Redirection, ShellCommand, ShellWord, WordPart } from "./shell-command.js";

/** Substitutions in substitutions beyond this are read as if their `$(` were plain text. */
const MAX_DEPTH = 30;

/** Words that a command stands behind; they run nothing themselves. */
const RESERVED = new Set(
  "if then elif else fi do done while until esac { } ! time coproc".split(" "),
);

const REDIRECTION = /\d{0,4}(?:<<<|<<-?|<>|<&|<(?!\()|>>|>&|>\||>(?!\())|&>>?/y;
/** Characters that may mean something in a word. */
const SPECIAL = /[\s;&|()<>"'\\`$]/g;

/**
 * The simple commands of a shell script, in the order they are written: those of loops, conditions,
 * groups and functions too, and those of a substitution before the command it is in. Never throws, and
 * reads every character once.
 */
export function readShell(script: string, from = 0): readonly ShellCommand[] {
  let at = from;
  let pipelines = 0;
  const all: ShellCommand[] = [];

  const readCommands = (closing: string, depth: number): ShellCommand[] => {
    const commands: ShellCommand[] = [];
    let words: ShellWord[] = [];
    let redirections: Redirection[] = [];
    let heredocs: string[] = [];
    let pending: {
      readonly name: string;
      readonly stripsTabs: boolean;
      readonly into: string[];
    }[] = [];
    let start = at;
    let end = at;
    let open = 0;
    let pipeline = (pipelines += 1);

    const finish = (joins = false): void => {
      if (words.length > 0 || redirections.length > 0) {
        const text = script.slice(start, end);
        const command = { words, redirections, heredocs, text, offset: start, pipeline };
        commands.push(command);
        all.push(command);
      }
      words = [];
      redirections = [];
      heredocs = [];
      if (!joins) pipeline = pipelines += 1;
    };
    const begin = (): void => {
      if (words.length === 0 && redirections.length === 0) start = at;
    };

    while (at < script.length) {
      const char = script[at] ?? "";
      if (char === closing && (closing !== ")" || open === 0)) break;
      if (char === "\n") {
        finish();
        at += 1;
        for (const { name, stripsTabs, into } of pending) into.push(readHeredoc(name, stripsTabs));
        pending = [];
      } else if (isBlank(char)) {
        at += 1;
      } else if (char === "#") {
        const newline = script.indexOf("\n", at);
        at = newline === -1 ? script.length : newline;
      } else if (char === "\\" && script[at + 1] === "\n") {
        at += 2;
      } else if (redirectionAt(at) !== undefined) {
        const operator = redirectionAt(at) ?? "";
        begin();
        at += operator.length;
        while (isBlank(script[at])) at += 1;
        const target = readWord(closing, depth);
        redirections.push({ operator, target });
        if (/<<-?$/.test(operator)) {
          const name = plainText(target);
          if (name !== "")
            pending.push({ name, stripsTabs: operator.endsWith("-"), into: heredocs });
        }
        end = at;
      } else if (char === "|" && script[at + 1] !== "|") {
        finish(true);
        at += script[at + 1] === "&" ? 2 : 1;
      } else if (char === "(" || char === ")") {
        open += char === "(" ? 1 : open > 0 ? -1 : 0;
        finish();
        at += 1;
      } else if (char === ";" || char === "&" || char === "|") {
        finish();
        at += 1;
      } else {
        const before = at;
        begin();
        const word = readWord(closing, depth);
        if (at === before) at += 1;
        else if (words.length > 0 || redirections.length > 0 || !RESERVED.has(plainText(word))) {
          words.push(word);
          end = at;
        }
      }
    }
    finish();
    return commands;
  };

  const redirectionAt = (offset: number): string | undefined => {
    if (!"<>&0123456789".includes(script[offset] ?? " ")) return undefined;
    REDIRECTION.lastIndex = offset;
    return REDIRECTION.exec(script)?.[0];
  };

  const readHeredoc = (name: string, stripsTabs: boolean): string => {
    const begin = at;
    while (at < script.length) {
      const newline = script.indexOf("\n", at);
      const next = newline === -1 ? script.length : newline;
      const line = script.slice(at, next);
      const lineStart = at;
      at = Math.min(next + 1, script.length);
      if ((stripsTabs ? line.replace(/^\t+/, "") : line) === name) {
        return script.slice(begin, lineStart);
      }
    }
    return script.slice(begin);
  };

  const readWord = (closing: string, depth: number): ShellWord => {
    const offset = at;
    const plainEnd = endOfPlainText(at);
    if (plainEnd === script.length || endsWord(script[plainEnd] ?? "")) {
      at = plainEnd;
      const text = script.slice(offset, plainEnd);
      const next = script[plainEnd + 1];
      if (text !== "" && next !== "(") return { parts: [{ kind: "text", text }], offset };
      at = offset;
    }
    const parts: WordPart[] = [];
    let text = "";
    const push = (part: WordPart): void => {
      if (text !== "") parts.push({ kind: "text", text });
      text = "";
      parts.push(part);
    };
    let quoted = false;
    /** An empty pair of quotes is a word, too. */
    let sawQuotes = false;
    while (at < script.length) {
      const char = script[at] ?? "";
      if (!quoted && (char === closing || endsWord(char))) {
        if ((char !== "<" && char !== ">") || script[at + 1] !== "(" || depth >= MAX_DEPTH) break;
        push(readSubstitution(2, ")", depth));
      } else if (char === '"') {
        quoted = !quoted;
        sawQuotes = true;
        at += 1;
      } else if (char === "'" && !quoted) {
        sawQuotes = true;
        text += readSingleQuoted();
      } else if (char === "\\") {
        text += readEscaped(quoted);
      } else if (char === "`" && closing !== "`" && depth < MAX_DEPTH) {
        push(readSubstitution(1, "`", depth));
      } else if (char === "$") {
        const next = script[at + 1];
        if (next === "'" && !quoted) {
          sawQuotes = true;
          at += 1;
          text += readSingleQuoted();
        } else if (next === "(" && script[at + 2] === "(") {
          push(readArithmetic());
        } else if (next === "(" && depth < MAX_DEPTH) {
          push(readSubstitution(2, ")", depth));
        } else {
          const begin = at;
          at = endOfReference(script, at);
          if (at === begin + 1 && /[0-9@*#?$!-]/.test(script[at] ?? "")) at += 1;
          if (at === begin + 1) text += "$";
          else push({ kind: "variable", text: script.slice(begin, at), quoted });
        }
      } else {
        const next = endOfPlainText(at + 1);
        text += script.slice(at, next);
        at = next;
      }
    }
    if (text !== "" || (sawQuotes && parts.length === 0)) parts.push({ kind: "text", text });
    return { parts, offset };
  };

  const endOfPlainText = (offset: number): number => {
    SPECIAL.lastIndex = offset;
    return SPECIAL.test(script) ? SPECIAL.lastIndex - 1 : script.length;
  };

  const readSingleQuoted = (): string => {
    const end = script.indexOf("'", at + 1);
    const text = script.slice(at + 1, end === -1 ? script.length : end);
    at = end === -1 ? script.length : end + 1;
    return text;
  };

  const readEscaped = (quoted: boolean): string => {
    const next = script[at + 1] ?? "";
    at += 2;
    if (next === "\n") return "";
    return quoted && !'"$`\\'.includes(next) ? `\\${next}` : next;
  };

  const readSubstitution = (opening: number, closing: string, depth: number): WordPart => {
    const begin = at;
    at += opening;
    const commands = readCommands(closing, depth + 1);
    at = Math.min(at + 1, script.length);
    return { kind: "commands", text: script.slice(begin, at), commands };
  };

  const readArithmetic = (): WordPart => {
    const begin = at;
    const end = script.indexOf("))", at);
    at = end === -1 ? script.length : end + 2;
    return { kind: "commands", text: script.slice(begin, at), commands: [] };
  };

  readCommands("", 0);
  return all;
}

/** Whether these commands, or those in their words, are so. */
export function someCommand(
  commands: readonly ShellCommand[],
  isSo: (command: ShellCommand) => boolean,
): boolean {
  const inWord = ({ parts }: ShellWord): boolean =>
    parts.some((part) => part.kind === "commands" && someCommand(part.commands, isSo));
  return commands.some((command) => isSo(command) || command.words.some(inWord));
}

/** A word as it is written, without its quotes. */
export function plainText({ parts }: ShellWord): string {
  const [first] = parts;
  if (parts.length < 2) return first?.text ?? "";
  return parts.map(({ text }) => text).join("");
}

function endsWord(char: string): boolean {
  return isBlank(char) || "\n;&|()<>".includes(char);
}

function isBlank(char: string | undefined): boolean {
  return char === " " || char === "\t" || char === "\r";
}
