import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { LOOPS } from "../src/loops/cadence.js";
import { TRANSITIONS, WORKSPACE_STATUSES } from "../src/state/workspace-status.js";

const text = readFileSync(join(import.meta.dirname, "../../../docs/operations.md"), "utf8");

/** Rows of the table below a header with these columns, cells trimmed. */
function tableOf(...columns: readonly string[]): string[][] {
  const lines = text.split("\n").map((line) => (line.startsWith("|") ? cellsOf(line) : undefined));
  const header = lines.findIndex((cells) => cells?.join() === columns.join());
  if (header === -1) return [];
  const rows = lines.slice(header + 2);
  const end = rows.indexOf(undefined);
  return rows.slice(0, end === -1 ? undefined : end).flatMap((cells) => (cells ? [cells] : []));
}

function cellsOf(line: string): string[] {
  return line
    .split("|")
    .slice(1, -1)
    .map((cell) => cell.trim());
}

it("shows the transitions as the store allows them", () => {
  expect(tableOf("transition", "from", "to", "trigger")).toEqual(
    Object.entries(TRANSITIONS).map(([name, { from, to, trigger }]) => [
      `\`${name}\``,
      from.length === 0 ? "(new)" : from.join(", "),
      to,
      trigger,
    ]),
  );
});

it("shows the loops as they run", () => {
  expect(tableOf("loop", "every", "led by", "what it does")).toEqual(
    Object.entries(LOOPS).map(([name, { intervalMs, perHost, rule }]) => [
      `\`${name}\``,
      intervalMs % 60_000 === 0 ? `${intervalMs / 60_000} min` : `${intervalMs / 1000} s`,
      `one process ${perHost ? "of each engine" : "of all"}`,
      rule,
    ]),
  );
});

it("has a way into every status, and one out of each but removed", () => {
  const all = Object.values(TRANSITIONS) as readonly { from: readonly string[]; to: string }[];
  for (const status of WORKSPACE_STATUSES) {
    expect(all.some(({ to }) => to === status)).toBe(true);
    expect(all.some(({ from }) => from.includes(status))).toBe(status !== "removed");
  }
});
