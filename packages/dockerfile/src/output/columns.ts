import { shownText } from "./shown-text.js";

export interface Column<Row> {
  readonly title: string;
  /** May have several lines. */
  readonly cell: (row: Row) => string;
}

/** Rows under titles, two blanks between columns; what is in a cell is made safe to print. */
export function formatColumns<Row>(rows: readonly Row[], columns: readonly Column<Row>[]): string {
  const lines = rows.flatMap((row) => {
    const cells = columns.map(({ cell }) => cell(row).split("\n").map(shownText));
    const height = Math.max(...cells.map(({ length }) => length));
    return Array.from({ length: height }, (_, index) => cells.map((cell) => cell[index] ?? ""));
  });
  const all = [columns.map(({ title }) => title), ...lines];
  const widths = columns.map((_, index) =>
    all.reduce((width, cells) => Math.max(width, cells[index]?.length ?? 0), 0),
  );
  return all
    .map((cells) =>
      cells
        .map((cell, index) => cell.padEnd(widths[index] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}
