/** Text put together from lines of a file. */
export interface SourceText {
  readonly text: string;
  /** Where each part begins in `text`, in rising order, and its line in the file. */
  readonly parts: readonly { readonly offset: number; readonly line: number }[];
}

/** The line of the file, from 1, that the character at `offset` stands on. */
export function lineAt({ parts }: SourceText, offset: number): number {
  let low = 0;
  let high = parts.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((parts[middle]?.offset ?? 0) <= offset) low = middle;
    else high = middle - 1;
  }
  return parts[low]?.line ?? 1;
}

/** Lines of a file as one text; `line` is the number of the first. */
export function joinLines(lines: readonly string[], line: number): SourceText {
  let offset = 0;
  const parts = lines.map((text, index) => {
    const part = { offset, line: line + index };
    offset += text.length + 1;
    return part;
  });
  return { text: lines.map((text) => `${text}\n`).join(""), parts };
}
