/** One way a registry wants to be told who asks: a part of a WWW-Authenticate header. */
export interface Challenge {
  /** Lower case: `bearer`, `basic`. */
  readonly scheme: string;
  /** By lower-case name; of a repeated one the first. */
  readonly parameters: ReadonlyMap<string, string>;
}

// Far above what any registry sends.
const LONGEST_HEADER = 16 * 1024;
const TOKEN = /[!#$%&'*+\-.^_`|~0-9A-Za-z]*/y;
const SEPARATORS = /[\s,]*/y;
const BLANKS = /[ \t]*/y;
const QUOTED = /"((?:[^"\\]|\\[\s\S])*)"/y;

/** Every challenge of a header, in order. Whatever is not well formed is passed over. */
export function parseChallenges(header: string | readonly string[] | undefined): Challenge[] {
  const text = (typeof header === "string" ? header : (header ?? []).join(", ")).slice(
    0,
    LONGEST_HEADER,
  );
  const challenges: { scheme: string; parameters: Map<string, string> }[] = [];
  let at = 0;
  const take = (pattern: RegExp): string => {
    pattern.lastIndex = at;
    const found = pattern.exec(text)?.[0] ?? "";
    at += found.length;
    return found;
  };
  while (at < text.length) {
    take(SEPARATORS);
    const word = take(TOKEN).toLowerCase();
    if (word === "") {
      at += 1;
      continue;
    }
    take(BLANKS);
    if (text[at] !== "=") {
      challenges.push({ scheme: word, parameters: new Map() });
      continue;
    }
    at += 1;
    take(BLANKS);
    const value = text[at] === '"' ? unquote(take(QUOTED)) : take(TOKEN);
    const parameters = challenges.at(-1)?.parameters;
    if (value !== undefined && parameters?.has(word) === false) parameters.set(word, value);
  }
  return challenges;
}

/** Undefined for a string that does not end. */
function unquote(quoted: string): string | undefined {
  return quoted === "" ? undefined : quoted.slice(1, -1).replace(/\\([\s\S])/g, "$1");
}
