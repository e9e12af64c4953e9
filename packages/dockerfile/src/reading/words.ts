/** A word of an instruction as written, quotes and escapes included. */
export interface WrittenWord {
  readonly text: string;
  readonly offset: number;
}

/** Splits at blanks that are neither quoted nor escaped, as Dockerfile instructions are split. */
export function splitWords(text: string, escape: string, from = 0): WrittenWord[] {
  const words: WrittenWord[] = [];
  let at = from;
  while (at < text.length) {
    if (isBlank(text[at])) {
      at += 1;
      continue;
    }
    const end = endOfWord(text, at, escape);
    words.push({ text: text.slice(at, end), offset: at });
    at = end;
  }
  return words;
}

/** Where the word that begins at `from` ends. */
export function endOfWord(text: string, from: number, escape: string): number {
  let quote = "";
  for (let at = from; at < text.length; at += 1) {
    const char = text[at] ?? "";
    if (quote !== "") {
      if (char === quote) quote = "";
      else if (char === escape && quote === '"') at += 1;
    } else if (isBlank(char)) return at;
    else if (char === escape) at += 1;
    else if (char === '"' || char === "'") quote = char;
  }
  return text.length;
}

export function isBlank(char: string | undefined): boolean {
  return (
    char === " " ||
    char === "\t" ||
    char === "\n" ||
    char === "\r" ||
    char === "\v" ||
    char === "\f"
  );
}

/** Where the first character after `from` stands that is no blank. */
export function skipBlanks(text: string, from: number): number {
  let at = from;
  while (at < text.length && isBlank(text[at])) at += 1;
  return at;
}
