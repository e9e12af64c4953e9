import type { ToolParser } from "./tool-parser.js";

const ERROR =
  /^Error: (Unable to find a match: .+|No match(?:ing)? .+|Failed to download metadata .+|Cannot find a valid baseurl .+|Transaction .+|GPG check FAILED.*)$/;
const MISSING = /^(No match for argument: .+)$/;

/** dnf, microdnf and yum of Fedora and its kin. */
export const parseDnf: ToolParser = (lines, at) => {
  const line = lines[at] ?? "";
  const message = ERROR.exec(line)?.[1] ?? MISSING.exec(line)?.[1];
  if (message === undefined) return undefined;
  const hint = /match/i.test(message)
    ? "dnf does not know the package: check its name, and the repositories that are enabled."
    : undefined;
  return { entry: { tool: "dnf", message, hint }, taken: 1 };
};
