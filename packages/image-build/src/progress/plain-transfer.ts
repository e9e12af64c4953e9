/** What one status line of a step says: bytes moved, when it tells any. */
export interface Transfer {
  readonly name: string;
  /** Bytes; 0 when none are told. */
  readonly current: number;
  readonly total: number | undefined;
}

const UNITS: Readonly<Record<string, number>> = {
  B: 1,
  kB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
};

const TIME = /^\d{1,9}(?:\.\d{1,3})?s$/;
const SIZE = /^(\d{1,9}(?:\.\d{1,3})?)([kMGT]?B)$/;

/**
 * Reads `transferring context: 1.98MB 0.1s done`, `sha256:0123… 3.15MB / 3.40MB 0.2s`,
 * `exporting layers 0.1s done`. What it does not know becomes the name.
 */
export function parseTransfer(text: string): Transfer {
  const words = text.split(" ");
  if (words.at(-1) === "done") words.pop();
  if (words.length > 1 && TIME.test(words.at(-1) ?? "")) words.pop();
  const last = words.length > 1 ? bytesOf(words.at(-1)) : undefined;
  if (last === undefined) return { name: words.join(" "), current: 0, total: undefined };
  const first = words.at(-2) === "/" ? bytesOf(words.at(-3)) : undefined;
  const name = words.slice(0, first === undefined ? -1 : -3).join(" ");
  return {
    name: name.replace(/:$/, ""),
    current: first ?? last,
    total: first === undefined ? undefined : last,
  };
}

function bytesOf(word: string | undefined): number | undefined {
  const found = SIZE.exec(word ?? "");
  if (found === null) return undefined;
  return Math.round(Number(found[1]) * (UNITS[found[2] ?? ""] ?? 1));
}
