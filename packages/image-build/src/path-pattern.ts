/**
 * A pattern as Go's `path.Match` reads it, and `**` besides. Matching takes time linear in path and
 * pattern, whatever they hold.
 */
export type PathPattern = readonly Token[];

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

/** Undefined when the pattern is malformed. */
export function compilePathPattern(pattern: string): PathPattern | undefined {
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

/** True when the pattern matches all of `path`. */
export function matchesPath(program: PathPattern, path: string): boolean {
  return run(program, path, false);
}

/** True when the pattern matches `path` or a directory that it lies in. */
export function matchesPathOrParent(program: PathPattern, path: string): boolean {
  return run(program, path, true);
}

/**
 * Runs the pattern as a set of states over the path, once. State `2i` stands before token `i`;
 * state `2i + 1` is inside a `directories` token that has begun to swallow text.
 */
function run(program: PathPattern, path: string, orParent: boolean): boolean {
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
    if (orParent && character === "/" && states[accept] === 1) return true;
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
