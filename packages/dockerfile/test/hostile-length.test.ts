import { describe, expect, it } from "vitest";
import { extractInventory } from "../src/index.js";
import { MAX_DOCKERFILE_LENGTH } from "../src/reading/read-dockerfile.js";

/** Processor time of one inventory: the machine may have other work, which is not ours. */
function cost(text: string): number {
  const begin = process.cpuUsage();
  extractInventory(text);
  const { user, system } = process.cpuUsage(begin);
  return (user + system) / 1000;
}

const repeat = (text: string, length: number): string =>
  text.repeat(Math.ceil(length / text.length)).slice(0, length);

const LONG = MAX_DOCKERFILE_LENGTH / 2;

/** In a time that grew with the square of the length, each of these would take minutes. */
const HOSTILE: readonly (readonly [name: string, text: string])[] = [
  ["one word", `FROM a\nRUN ${repeat("x", LONG)}`],
  ["blanks", `FROM a\nRUN x${repeat(" ", LONG)}y`],
  ["escapes", `FROM a\nRUN ${repeat("\\", LONG)}`],
  ["continuations", `FROM a\nRUN x ${repeat("\\\n", LONG)}`],
  ["comments in a continuation", `FROM a\nRUN x \\\n${repeat("#\n", LONG)}`],
  ["open quotes", `FROM a\nRUN ${repeat("' \" ", LONG)}`],
  ["open substitutions", `FROM a\nRUN ${repeat("$(", LONG)}`],
  ["backticks", `FROM a\nRUN ${repeat("` ", LONG)}`],
  ["open references", `FROM a\nRUN ${repeat("${a", LONG)}`],
  ["open references in ENV", `FROM a\nENV A=${repeat("${a:-", LONG)}`],
  ["closed references", `FROM a\nENV A=${repeat("${a:-${b:-${c}}}", LONG)}`],
  ["parentheses", `FROM a\nRUN ${repeat("(", LONG)}`],
  ["closing parentheses", `FROM a\nRUN $(${repeat(")", LONG)}`],
  ["arithmetic", `FROM a\nRUN ${repeat("$((", LONG)}`],
  ["process substitutions", `FROM a\nRUN ${repeat("<(", LONG)}`],
  ["heredocs", `FROM a\nRUN ${repeat("<<A ", LONG)}`],
  ["heredocs nobody ends", `FROM a\n${repeat("RUN <<A\n", LONG)}`],
  ["heredocs in a heredoc", `FROM a\nRUN <<E\n${repeat("x <<A\n", LONG)}`],
  ["packages", `FROM a\nRUN apt-get install ${repeat("a=1 ", LONG)}`],
  ["dashed packages", `FROM a\nRUN dnf install ${repeat("1.1-", LONG)}`],
  ["requirements", `FROM a\nRUN pip install ${repeat("a[b]@#&egg ", LONG)}`],
  ["one requirement", `FROM a\nRUN pip install ${repeat("git+https://a#", LONG)}`],
  ["downloads", `FROM a\nRUN curl ${repeat("https://a.b/c-1.2 ", LONG)}`],
  ["downloads with checks", `FROM a\nRUN ${repeat("curl https://a/b;sha256sum -c b;", LONG)}`],
  ["one URL", `FROM a\nRUN curl https://a${repeat("/1.", LONG)}`],
  ["a repository", `FROM a\nRUN git clone https://a${repeat("/", LONG)}`],
  ["options", `FROM a\nRUN apk ${repeat("-t ", LONG)}`],
  ["wrappers", `FROM a\nRUN ${repeat("sudo ", LONG)}`],
  ["assignments", `FROM a\nRUN ${repeat("A=1 ", LONG)}`],
  ["assignments one by one", `FROM a\nRUN ${repeat("A=$A$A;", LONG)}`],
  [
    "a loop over much",
    `FROM a\nRUN for x in ${repeat("y ", LONG / 2)}; do ${repeat("$x ", LONG / 2)}`,
  ],
  ["values put together", `FROM a\nENV A=${repeat("a ", 4000)}\nRUN ${repeat("$A ", LONG)}`],
  [
    "values put together by eval",
    `FROM a\nENV A=${repeat("a ", 4000)}\nRUN eval ${repeat("$A ", LONG)}`,
  ],
  ["arguments that double", `ARG A=ab\n${repeat("ARG A=$A$A\n", LONG)}\nFROM a`],
  ["arguments in a circle", `${repeat("ARG A=$B\nARG B=$A\n", LONG)}\nFROM $A`],
  ["stages", `${repeat("FROM a AS b\n", 11_900)}`],
  ["stages from stages with variables", chain(900, 50)],
  ["JSON", `FROM a\nRUN [${repeat('"a",', LONG)}"b"]`],
  ["mounts", `FROM a\nRUN ${repeat("--mount=from=a,", LONG)}`],
  ["flags", `FROM a\nRUN ${repeat("--a=b ", LONG)}`],
  ["users", `FROM a\nUSER ${repeat(":", LONG)}`],
  ["an image name", `FROM ${repeat("a/:@-", LONG)}`],
  ["secrets", `FROM a\nENV A=${repeat("sk-", LONG)}`],
  ["userinfo", `FROM a\nENV A=${repeat("://a:", LONG)}`],
  ["no instruction", repeat("= ", LONG)],
];

function chain(stages: number, variables: number): string {
  return Array.from({ length: stages }, (_, stage) => {
    const names = Array.from({ length: variables }, (_item, index) => `V${stage}_${index}=1`);
    return `FROM ${stage === 0 ? "a" : `s${stage - 1}`} AS s${stage}\nENV ${names.join(" ")}\nRUN a $NONE`;
  }).join("\n");
}

describe("hostile text", () => {
  it.each(HOSTILE)(
    "reads half a megabyte of %s in bounded time",
    { timeout: 60_000 },
    (_, text) => {
      expect(text.length).toBeLessThanOrEqual(MAX_DOCKERFILE_LENGTH);
      expect(cost(text)).toBeLessThan(30_000);
    },
  );

  it("refuses ten megabytes at once", () => {
    const text = repeat("RUN x\n", 10 * 1024 * 1024);
    expect(() => extractInventory(text)).toThrow(
      expect.objectContaining({ code: "ERR_DOCKERFILE_TOO_LARGE" }),
    );
  });
});
