/** The value of a variable; undefined when it has none here. */
export type Lookup = (name: string) => string | undefined;

export interface Expansion {
  /** References without a value stay as they are written. */
  readonly text: string;
  /** Variables that were filled in, in order. */
  readonly found: readonly { readonly name: string; readonly value: string }[];
  readonly missing: readonly string[];
}

export interface ExpandOptions {
  /** The escape character; its pair with another character means that character. */
  readonly escape?: string | undefined;
  /** False where quotes are already gone. Default true. */
  readonly quotes?: boolean | undefined;
}

/** Longer values are no values: nobody writes them, and references to references double them. */
export const MAX_VALUE_LENGTH = 4096;
const MAX_DEPTH = 8;
/** Characters that may mean something; the escape character is one of two. */
const SPECIAL = /["'$\\`]/g;

/**
 * Fills in `$NAME` and `${NAME}` with their modifiers, and takes quotes away, as Dockerfiles have it.
 * A default (`${NAME:-word}`) is itself filled in; patterns with `*`, `?` or `[` are not matched, and
 * their references stay.
 */
export function expand(text: string, lookup: Lookup, options: ExpandOptions = {}): Expansion {
  const found: { name: string; value: string }[] = [];
  const missing: string[] = [];
  const { escape = "\\", quotes = true } = options;
  const value = (written: string, depth: number): string => {
    const reference = parseReference(written);
    if (reference === undefined) return written;
    const known = lookup(reference.name);
    const filled = applyModifier(reference, known, (word) =>
      depth >= MAX_DEPTH ? word : fill(word, depth + 1),
    );
    if (filled === undefined) missing.push(reference.name);
    else if (known !== undefined) found.push({ name: reference.name, value: known });
    return filled ?? written;
  };
  const fill = (input: string, depth: number): string => {
    let out = "";
    let quote = "";
    let at = 0;
    while (at < input.length && out.length <= MAX_VALUE_LENGTH) {
      const char = input[at] ?? "";
      if (quotes && quote === "" && (char === '"' || char === "'")) {
        quote = char;
        at += 1;
      } else if (quotes && char === quote) {
        quote = "";
        at += 1;
      } else if (quotes && char === escape && quote !== "'" && at + 1 < input.length) {
        const next = input[at + 1] ?? "";
        out += quote === '"' && next !== '"' && next !== "$" && next !== escape ? char : "";
        out += next;
        at += 2;
      } else if (char === "$" && quote !== "'") {
        const end = endOfReference(input, at);
        out += end === at + 1 ? "$" : value(input.slice(at, end), depth);
        at = end;
      } else {
        SPECIAL.lastIndex = at + 1;
        const next = SPECIAL.test(input) ? SPECIAL.lastIndex - 1 : input.length;
        out += input.slice(at, next);
        at = next;
      }
    }
    return out;
  };
  const filled = fill(text, 0);
  return { text: filled.slice(0, MAX_VALUE_LENGTH), found, missing };
}

/** Where the reference whose `$` is at `from` ends; just behind the `$` when it is none. */
export function endOfReference(text: string, from: number): number {
  if (text[from + 1] === "{") {
    let depth = 0;
    for (let at = from + 1; at < text.length; at += 1) {
      if (text[at] === "{") depth += 1;
      else if (text[at] === "}") depth -= 1;
      if (depth === 0) return at + 1;
    }
    return text.length;
  }
  let end = from + 1;
  if (!isNameStart(text.charCodeAt(end))) return end;
  while (isNameStart(text.charCodeAt(end)) || isDigit(text.charCodeAt(end))) end += 1;
  return end;
}

function isNameStart(code: number): boolean {
  return (code >= 65 && code <= 90) || (code >= 97 && code <= 122) || code === 95;
}

function isDigit(code: number): boolean {
  return code >= 48 && code <= 57;
}

interface Reference {
  readonly name: string;
  readonly operator: string;
  readonly word: string;
}

function parseReference(written: string): Reference | undefined {
  if (!written.startsWith("${")) return { name: written.slice(1), operator: "", word: "" };
  if (!written.endsWith("}")) return undefined;
  const inside = written.slice(2, -1);
  const name = /^[A-Za-z_]\w*/.exec(inside)?.[0];
  if (name === undefined) return undefined;
  const rest = inside.slice(name.length);
  if (rest === "") return { name, operator: "", word: "" };
  const operator = /^(?::[-+?]|[-+?]|##?|%%?|\/\/?)/.exec(rest)?.[0];
  return operator === undefined ? undefined : { name, operator, word: rest.slice(operator.length) };
}

/** Undefined when nothing can be said. */
function applyModifier(
  { operator, word }: Reference,
  value: string | undefined,
  fill: (word: string) => string,
): string | undefined {
  const isSet = operator.startsWith(":")
    ? value !== undefined && value !== ""
    : value !== undefined;
  switch (operator.replace(":", "")) {
    case "-":
      return isSet ? value : fill(word);
    case "+":
      return isSet ? fill(word) : "";
    case "":
    case "?":
      return value;
    default:
      return value === undefined ? undefined : replacePattern(value, operator, fill(word));
  }
}

function replacePattern(value: string, operator: string, word: string): string | undefined {
  if (/[*?[\\]/.test(word)) return undefined;
  if (operator.startsWith("#")) return value.startsWith(word) ? value.slice(word.length) : value;
  if (operator.startsWith("%")) {
    return value.endsWith(word) ? value.slice(0, value.length - word.length) : value;
  }
  const slash = word.indexOf("/");
  const pattern = slash === -1 ? word : word.slice(0, slash);
  const replacement = slash === -1 ? "" : word.slice(slash + 1);
  if (pattern === "") return value;
  const replaced =
    operator === "//"
      ? value.split(pattern).join(replacement)
      : value.replace(pattern, () => replacement);
  return replaced.slice(0, MAX_VALUE_LENGTH);
}
