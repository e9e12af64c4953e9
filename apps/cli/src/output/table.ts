import { textWidth } from "./text-width.js";

export interface Column<Row> {
  readonly title: string;
  readonly cell: (row: Row) => string;
  readonly align?: "left" | "right" | undefined;
}

/**
 * Rows under a heading, columns two spaces apart, no border; never cut, so that what is copied from
 * it is whole. A cell may have several lines. Lines end without blanks.
 */
export function formatTable<Row>(
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  heading: (text: string) => string = (text) => text,
): string {
  const titles = columns.map(({ title }) => title);
  const body = rows.flatMap((row) => splitLines(columns.map((column) => column.cell(row))));
  const widths = titles.map((title, index) =>
    Math.max(textWidth(title), ...body.map((cells) => textWidth(cells[index] ?? ""))),
  );
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, index) => {
        const blanks = " ".repeat((widths[index] ?? 0) - textWidth(cell));
        return columns[index]?.align === "right" ? blanks + cell : cell + blanks;
      })
      .join("  ")
      .trimEnd();
  return [heading(line(titles)), ...body.map((cells) => line(cells))].join("\n");
}

/** One row of cells as the lines it takes. */
function splitLines(cells: readonly string[]): string[][] {
  const split = cells.map((cell) => cell.split("\n"));
  const height = Math.max(...split.map(({ length }) => length));
  return Array.from({ length: height }, (_, index) => split.map((lines) => lines[index] ?? ""));
}

/** `text` in lines of at most `columns` cells, broken at blanks; a longer word stays whole. */
export function wrapText(text: string, columns: number): string {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    if (last === undefined || textWidth(last) + 1 + textWidth(word) > columns) lines.push(word);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines.join("\n");
}

/** `name  value` lines with the values in one column; further lines of a value are indented to it. */
export function formatFields(
  fields: readonly (readonly [name: string, value: string])[],
  heading: (text: string) => string = (text) => text,
): string {
  const width = Math.max(0, ...fields.map(([name]) => textWidth(name)));
  const indent = " ".repeat(width + 2);
  return fields
    .map(([name, value]) => {
      const [first = "", ...rest] = value.split("\n");
      const label = heading(name) + " ".repeat(width - textWidth(name));
      return [`${label}  ${first}`.trimEnd(), ...rest.map((text) => indent + text)].join("\n");
    })
    .join("\n");
}
