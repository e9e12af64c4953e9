import type { ToolParser } from "./tool-parser.js";

const HEAD = /^ERROR: (unable to select packages|unsatisfiable constraints)/;
const MISSING = /^\s+(\S{1,200}) \((?:no such package|missing)\):/;
const FETCH =
  /^(?:ERROR|WARNING): (.{1,300}: (?:temporary error|DNS lookup error|network error|IO ERROR|Permission denied|UNTRUSTED signature).{0,200})$/;

/** apk of Alpine. */
export const parseApk: ToolParser = (lines, at) => {
  const line = lines[at] ?? "";
  if (HEAD.test(line)) {
    const missing = MISSING.exec(lines[at + 1] ?? "")?.[1];
    const message =
      missing === undefined ? line.slice("ERROR: ".length) : `no such package: ${missing}`;
    return {
      entry: {
        tool: "apk",
        message,
        hint: "apk cannot find or combine the packages: check their names and versions for this release of Alpine.",
      },
      taken: missing === undefined ? 1 : 2,
    };
  }
  const fetch = FETCH.exec(line)?.[1];
  return fetch === undefined ? undefined : { entry: { tool: "apk", message: fetch }, taken: 1 };
};
