import { placed, type ToolParser } from "./tool-parser.js";

const TARGET =
  /^\S{0,100}make(?:\[\d{1,3}\])?: \*\*\* \[(?:([^\s:\]]{1,300}):(\d{1,7}): )?([^\]]{1,300})\] (.+)$/;
const STOP = /^(?:\S{0,100}make(?:\[\d{1,3}\])?|(\S{1,300}?):(\d{1,7})): \*\*\* (.+)$/;
const NINJA = /^ninja: (?:error: |build stopped: )(.+)$/;
const NINJA_TARGET = /^FAILED: (.{1,300}?)\s*$/;

/** make and ninja; that a target failed is only a consequence. */
export const parseMake: ToolParser = (lines, at) => {
  const line = lines[at] ?? "";
  const target = line.includes("***") ? TARGET.exec(line) : null;
  if (target !== null) {
    const [, file, row, name = "", result = ""] = target;
    const message = `target ${name}: ${result}`;
    return { entry: { tool: "make", ...placed(file, row), message }, taken: 1, minor: true };
  }
  const stop = line.includes("***") ? STOP.exec(line) : null;
  if (stop !== null) {
    const [, file, row, message = ""] = stop;
    return {
      entry: { tool: "make", ...placed(file, row), message, hint: hintFor(message) },
      taken: 1,
    };
  }
  const failed = NINJA_TARGET.exec(line)?.[1];
  if (failed !== undefined) {
    return { entry: { tool: "ninja", message: `target ${failed} failed` }, taken: 1, minor: true };
  }
  const ninja = NINJA.exec(line)?.[1];
  if (ninja === undefined) return undefined;
  const minor = ninja.startsWith("subcommand failed");
  return { entry: { tool: "ninja", message: ninja }, taken: 1, minor };
};

function hintFor(message: string): string | undefined {
  if (message.startsWith("No rule to make target")) {
    return "make does not know the target or misses a file: check the Makefile, COPY and .dockerignore.";
  }
  if (message.startsWith("missing separator"))
    return "Indent the recipe with a tab, not with blanks.";
  return undefined;
}
