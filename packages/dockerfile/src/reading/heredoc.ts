import { splitWords } from "./words.js";

/** `<<EOF`, `<<-EOF` or `<<"EOF"`. */
export interface HeredocStart {
  readonly name: string;
  readonly stripsTabs: boolean;
  readonly expands: boolean;
}

/** The heredocs whose text begins after this line, in their order. */
export function findHeredocStarts(text: string, from: number, escape: string): HeredocStart[] {
  if (!text.includes("<<")) return [];
  return splitWords(text, escape, from).flatMap((word) => parseHeredocStart(word.text) ?? []);
}

function parseHeredocStart(word: string): HeredocStart | undefined {
  const found = /^\d{0,9}<<(-?)([^<]+)$/.exec(word);
  if (found === null) return undefined;
  const [, dash, written = ""] = found;
  const name = written.replace(/["'\\]/g, "");
  if (name === "") return undefined;
  return { name, stripsTabs: dash === "-", expands: name === written };
}

/** The index of the line that ends the heredoc; the number of lines when none does. */
export function findHeredocEnd(
  lines: readonly string[],
  from: number,
  { name, stripsTabs }: HeredocStart,
): number {
  let index = from;
  while (index < lines.length) {
    const line = lines[index] ?? "";
    if ((stripsTabs ? line.replace(/^\t+/, "") : line) === name) break;
    index += 1;
  }
  return index;
}
