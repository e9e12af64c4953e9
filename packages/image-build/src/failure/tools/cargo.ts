import { placed, type ToolParser } from "./tool-parser.js";

const ERROR = /^error(?:\[(E\d{4})\])?: (.+)$/;
const PLACE = /^\s*--> (.{1,400}?):(\d{1,7}):(\d{1,7})$/;
const CARGO =
  /^(?:could not compile|no matching package|failed to (?:parse|select|get|load|download|run custom build|fetch|read)|linker `|linking with|aborting due to|the lock file|package `|unable to get packages|cannot find|toolchain|rustc \d)/;
const MINOR = /^(?:could not compile|aborting due to)/;
const HINTS = [
  {
    pattern: /^linker `|^linking with/,
    hint: "The linker or a library is missing in the image: install build-essential and the library's -dev package first.",
  },
  {
    pattern: /^no matching package|^failed to select|^unable to get packages/,
    hint: "cargo finds no such crate or version: check Cargo.toml and Cargo.lock.",
  },
  {
    pattern: /^the lock file/,
    hint: "Cargo.lock does not fit Cargo.toml: run cargo update and add Cargo.lock to the context.",
  },
] as const;
/** How far below the message its place stands. */
const MAX_PLACE_DISTANCE = 4;

/** cargo and rustc. */
export const parseCargo: ToolParser = (lines, at) => {
  const line = lines[at] ?? "";
  const found = line.startsWith("error") ? ERROR.exec(line) : null;
  if (found === null) return undefined;
  const [, code, message = ""] = found;
  for (let taken = 1; taken <= MAX_PLACE_DISTANCE; taken += 1) {
    const place = PLACE.exec(lines[at + taken] ?? "");
    if (place === null) continue;
    const entry = { tool: "cargo", ...placed(place[1], place[2], place[3]), message };
    return { entry: { ...entry, ...(code === undefined ? {} : { code }) }, taken: taken + 1 };
  }
  if (code === undefined && !CARGO.test(message)) return undefined;
  const hint = HINTS.find(({ pattern }) => pattern.test(message))?.hint;
  return {
    entry: { tool: "cargo", message, hint, ...(code === undefined ? {} : { code }) },
    taken: 1,
    minor: MINOR.test(message),
  };
};
