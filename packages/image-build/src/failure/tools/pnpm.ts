import type { ToolParser } from "./tool-parser.js";

/** ` ERR_PNPM_NO_MATCHING_VERSION  No matching …`, and `Error: ERR_PNPM_…` with a tree of causes. */
const ERROR = /^\s*(?:Error: |\[)?(ERR_PNPM_[A-Z0-9_]{1,60})\]?(?::? +(.+))?$/;
const CAUSE = /^\s*╰─▶ (.+)$/;
const TREE = /^\s*[│├╰×]|^\s*$/;
const CONTINUED = /^ {6}\S/;
const MAX_TREE_LINES = 30;

const HINTS: Readonly<Record<string, string>> = {
  ERR_PNPM_OUTDATED_LOCKFILE:
    "pnpm-lock.yaml does not fit package.json: run pnpm install and add the lockfile to the context.",
  ERR_PNPM_NO_LOCKFILE: "There is no pnpm-lock.yaml in the image: COPY it before the RUN.",
  ERR_PNPM_NO_MATCHING_VERSION: "pnpm finds no such version: check package.json and its lockfile.",
  ERR_PNPM_FETCH_404:
    "The registry has no such package, or does not show it without credentials: check its name, and give a token as a build secret.",
};

/** pnpm. */
export const parsePnpm: ToolParser = (lines, at) => {
  const found = ERROR.exec(lines[at] ?? "");
  const code = found?.[1];
  if (code === undefined) return undefined;
  let message = found?.[2];
  let taken = 1;
  while (message === undefined && taken < MAX_TREE_LINES) {
    const line = lines[at + taken];
    if (line === undefined || !TREE.test(line)) break;
    message = CAUSE.exec(line)?.[1];
    taken += 1;
  }
  // It breaks its lines at the width of the terminal.
  for (; CONTINUED.test(lines[at + taken] ?? "") && taken < MAX_TREE_LINES; taken += 1) {
    message = `${message} ${(lines[at + taken] ?? "").trim()}`;
  }
  return { entry: { tool: "pnpm", code, message: message ?? code, hint: HINTS[code] }, taken };
};
