import { posix } from "node:path";
import { ImageBuildError } from "../errors.js";

/** The files a `.dockerignore` leaves out of a context. */
export interface IgnoreRules {
  /** True when `path` (relative, `/` between its parts) or one of its parents is left out. */
  ignores(path: string): boolean;
  /** True when something below an ignored directory may still be wanted. */
  readonly hasExceptions: boolean;
}

const MAX_PATTERNS = 10_000;
const MAX_PATTERN_LENGTH = 4096;

/**
 * Reads a `.dockerignore` as Docker does: Go's `filepath.Match` plus `**`, `!` exceptions, `#`
 * comments, the last matching line wins, letter case counts.
 *
 * Matching takes time linear in path and pattern, whatever they hold: a template is not ours to
 * trust, and patterns turned into backtracking expressions can stop a process for hours.
 *
 * Throws `ERR_BUILD_DOCKERIGNORE` with the line of a malformed pattern.
 */
export function parseDockerignore(text: string, name = ".dockerignore"): IgnoreRules {
  const rules: Rule[] = [];
  for (const [index, raw] of text
    .replace(/^\uFEFF/, "")
    .split("\n")
    .entries()) {
    const refuse = (reason: string): never => {
      throw new ImageBuildError(
        "ERR_BUILD_DOCKERIGNORE",
        `${name} line ${index + 1} cannot be used: ${reason}.`,
        { hint: "Patterns follow Go's filepath.Match, with ** for any number of directories." },
      );
    };
    if (raw.startsWith("#")) continue;
    let pattern = raw.trim();
    if (pattern === "") continue;
    if (pattern.length > MAX_PATTERN_LENGTH) {
      return refuse(`it is longer than ${MAX_PATTERN_LENGTH} characters`);
    }
    if (rules.length >= MAX_PATTERNS) return refuse(`there are more than ${MAX_PATTERNS} patterns`);
    const exception = pattern.startsWith("!");
    if (exception) pattern = pattern.slice(1).trim();
    pattern = cleanPattern(pattern);
    if (pattern === "") return refuse("there is no pattern after the exclamation mark");
    const program = compilePattern(pattern);
    if (program === undefined) return refuse(`${JSON.stringify(pattern)} is malformed`);
    rules.push({ exception, program });
  }
  return {
    hasExceptions: rules.some((rule) => rule.exception),
    ignores(path) {
      let ignored = false;
      for (const rule of rules) {
        // Only a rule that would change the verdict has to be tried.
        if (ignored === rule.exception && matchesPathOrParent(rule.program, path)) {
          ignored = !rule.exception;
        }
      }
      return ignored;
    },
  };
}

interface Rule {
  readonly exception: boolean;
  readonly program: readonly Token[];
}

type Token =
  | { readonly kind: "character"; readonly character: string }
  | { readonly kind: "any" }
  | {
      readonly kind: "class";
      readonly negated: boolean;
      readonly ranges: readonly (readonly [number, number])[];
    }
  /** `*`: any run without a separator. */
  | { readonly kind: "run" }
  /** `**` at the end: everything. */
  | { readonly kind: "rest" }
  /** `**` elsewhere: nothing, or any text that ends in a separator. */
  | { readonly kind: "directories" };

function cleanPattern(pattern: string): string {
  if (pattern === "") return "";
  const clean = posix.normalize(pattern).replace(/(?<=.)\/$/, "");
  return clean.length > 1 && clean.startsWith("/") ? clean.slice(1) : clean;
}

function compilePattern(pattern: string): readonly Token[] | undefined {
  const characters = [...pattern];
  const program: Token[] = [];
  let at = 0;
  while (at < characters.length) {
    const character = characters[at] as string;
    at += 1;
    if (character === "*" && characters[at] === "*") {
      at += 1;
      if (characters[at] === "/") at += 1;
      program.push({ kind: at >= characters.length ? "rest" : "directories" });
    } else if (character === "*") {
      program.push({ kind: "run" });
    } else if (character === "?") {
      program.push({ kind: "any" });
    } else if (character === "[") {
      const found = compileClass(characters, at);
      if (found === undefined) return undefined;
      program.push(found.token);
      at = found.end;
    } else if (character === "\\") {
      const escaped = characters[at];
      if (escaped === undefined) return undefined;
      program.push({ kind: "character", character: escaped });
      at += 1;
    } else {
      program.push({ kind: "character", character });
    }
  }
  return program;
}

function compileClass(
  characters: readonly string[],
  start: number,
): { readonly token: Token; readonly end: number } | undefined {
  let at = start;
  const negated = characters[at] === "^";
  if (negated) at += 1;
  const ranges: (readonly [number, number])[] = [];
  const next = (): number | undefined => {
    let character = characters[at];
    if (character === "\\") {
      at += 1;
      character = characters[at];
    }
    at += 1;
    return character?.codePointAt(0);
  };
  while (characters[at] !== "]" || ranges.length === 0) {
    if (characters[at] === "]" || characters[at] === "-") return undefined;
    const low = next();
    if (low === undefined) return undefined;
    let high: number | undefined = low;
    if (characters[at] === "-") {
      at += 1;
      if (characters[at] === "]" || characters[at] === "-") return undefined;
      high = next();
      if (high === undefined) return undefined;
    }
    ranges.push([low, high]);
  }
  return { token: { kind: "class", negated, ranges }, end: at + 1 };
}

/**
 * Runs the pattern as a set of states over the path, once. State `2i` stands before token `i`;
 * state `2i + 1` is inside a `directories` token that has begun to swallow text.
 */
function matchesPathOrParent(program: readonly Token[], path: string): boolean {
  const accept = program.length * 2;
  let states = new Uint8Array(accept + 1);
  let following = new Uint8Array(accept + 1);

  const enter = (target: Uint8Array, state: number): void => {
    let index = state;
    while (target[index] === 0) {
      target[index] = 1;
      const token = program[index / 2];
      // These may match nothing, so what follows them is reached too.
      if (token?.kind !== "run" && token?.kind !== "rest" && token?.kind !== "directories") return;
      index += 2;
    }
  };
  enter(states, 0);

  for (const character of path) {
    // A match that ends where a directory ends is a match of that parent.
    if (character === "/" && states[accept] === 1) return true;
    following.fill(0);
    for (let index = 0; index < accept; index += 1) {
      if (states[index] === 0) continue;
      const token = program[index >> 1] as Token;
      switch (token.kind) {
        case "rest":
          enter(following, index);
          break;
        case "run":
          if (character !== "/") enter(following, index);
          break;
        case "directories":
          following[index | 1] = 1;
          if (character === "/") enter(following, (index | 1) + 1);
          break;
        default:
          if (matchesOne(token, character)) enter(following, index + 2);
      }
    }
    [states, following] = [following, states];
  }
  return states[accept] === 1;
}

function matchesOne(
  token: Extract<Token, { kind: "character" | "any" | "class" }>,
  character: string,
): boolean {
  if (token.kind === "character") return token.character === character;
  if (character === "/") return false;
  if (token.kind === "any") return true;
  const point = character.codePointAt(0) as number;
  return token.ranges.some(([low, high]) => low <= point && point <= high) !== token.negated;
}
