import { placed, type ToolParser } from "./tool-parser.js";

const HEAD = /^[✘X] \[ERROR\] (.+)$/;
const PLACE = /^ {4}([^\s:][^:]{0,400}):(\d{1,7}):(\d{1,7}):$/;

const UNRESOLVED =
  "The module is not in the image: install dependencies before this step, and check COPY and .dockerignore.";

/** esbuild, and the bundlers that are built on it. */
export const parseEsbuild: ToolParser = (lines, at) => {
  const message = HEAD.exec(lines[at] ?? "")?.[1];
  if (message === undefined) return undefined;
  const place = PLACE.exec(lines[at + 2] ?? "");
  const hint = message.startsWith("Could not resolve ") ? UNRESOLVED : undefined;
  return {
    // It counts columns from 0.
    entry: { tool: "esbuild", ...oneBased(place), message, hint },
    taken: place === null ? 1 : 3,
  };
};

function oneBased(place: RegExpExecArray | null): ReturnType<typeof placed> {
  return place === null ? {} : placed(place[1], place[2], String(Number(place[3]) + 1));
}
