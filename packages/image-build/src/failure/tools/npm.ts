import { LOOKAHEAD, type ToolParser } from "./tool-parser.js";

const LINE = /^npm (?:ERR!|error)(?: (.*))?$/;
const CODE = /^code (\S{1,60})/;
/** The code again, in front of each line of its message. */
const LABEL = /^(?:notarget|404|JSON\.parse|ERESOLVE|enoent|gyp|EBADENGINE|ERR!|network) +/;
const SKIPPED =
  /^(?:syscall|path|errno|command|cwd|node -v|npm -v|stack|dest|cause|signal|workspace|location)\b|^$|^A complete log of this run|A complete log of this run/;

const HINTS: Readonly<Record<string, string>> = {
  EUSAGE:
    "npm ci needs a package-lock.json that fits package.json: COPY both, and bring them in line with npm install.",
  EJSONPARSE: "package.json is no JSON: correct it.",
  ENOENT:
    "A file npm needs is not in the image: COPY package.json before the RUN, and check .dockerignore.",
  EACCES: "npm may not write there: check USER and who owns the directory.",
  EINTEGRITY:
    "A download is not what the lockfile names: refresh package-lock.json if that is intended.",
  ERESOLVE: "npm refuses the dependencies: check package.json and its lockfile.",
  ETARGET: "npm finds no such version: check package.json and its lockfile.",
  E404: "The registry has no such package, or does not show it without credentials: check its name, and give a token as a build secret.",
  E401: "The registry wants credentials: give a token as a build secret.",
  E403: "The registry refuses: check the token and the mirror's rules.",
  EBADENGINE: "The package needs another Node.js: change the base image or the package's version.",
};

/** All lines of one failure of npm, old (`npm ERR!`) and new (`npm error`). */
export const parseNpm: ToolParser = (lines, at) => {
  if (!LINE.test(lines[at] ?? "")) return undefined;
  let taken = 0;
  let code: string | undefined;
  let message: string | undefined;
  let open = false;
  while (taken < LOOKAHEAD) {
    const found = LINE.exec(lines[at + taken] ?? "");
    if (found === null) break;
    const said = (found[1] ?? "").trim();
    // The next failure begins.
    if (code !== undefined && CODE.test(said)) break;
    taken += 1;
    const first = CODE.exec(said);
    if (first !== null) {
      code = first[1];
      // Some tell the rest on the same line.
      message ??= said.length > first[0].length ? said : undefined;
    } else if (message === undefined && !SKIPPED.test(said)) {
      message = said.replace(LABEL, "");
      open = message === said;
    } else if (open) {
      // The sentence goes on until it ends, or its paragraph does.
      open = said !== "" && !SKIPPED.test(said) && !/[.!?]$/.test(message ?? "");
      if (open) message = `${message} ${said}`;
    }
  }
  return {
    entry: {
      tool: "npm",
      message: message ?? (code === undefined ? "npm failed" : `npm failed: ${code}`),
      ...(code === undefined ? {} : { code, hint: HINTS[code] }),
    },
    taken,
  };
};
