import { placed, type ToolParser } from "./tool-parser.js";

/** `main.c:3:17: error: …`, `inc.c:1:10: fatal error: …`, `A.java:1: error: …`. */
const AT_LINE =
  /^(?:\[\S{1,20}\] )?((?:[A-Za-z]:)?[^\s:][^:]{0,400}):(\d{1,7})(?::(\d{1,7}))?: (?:fatal )?[eE]rror:? (.+)$/;
const UNDEFINED =
  /^(?:\S{0,60}ld(?:\.\w{1,10})?: )?(\S{1,400}?):(?:\((\.\S{1,60})\)|(\d{1,7})): (undefined reference to .+)$/;
const LINKER =
  /^\S{0,200}\bld(?:\.\w{1,10})?: (?:error: )?(cannot find .+|undefined symbol: .+|.{1,300}: (?:file not recognized|No such file).*)$/;
const DRIVER =
  /^(cc1(?:plus)?|gcc|g\+\+|cc|c\+\+|clang(?:\+\+)?(?:-\d{1,3})?|collect2): (?:fatal )?error: (.+)$/;

const LANGUAGES: Readonly<Record<string, string>> = {
  java: "javac",
  kt: "kotlinc",
  swift: "swiftc",
  rs: "cargo",
  ts: "esbuild",
  tsx: "esbuild",
  js: "esbuild",
  jsx: "esbuild",
  proto: "protoc",
  py: "python",
};

/** Compilers that write as gcc does, and the linker; the tool is told by the name of the file. */
export const parseCompiler: ToolParser = (lines, at) => {
  const line = lines[at] ?? "";
  const said = /error/i.test(line) ? AT_LINE.exec(line) : null;
  if (said !== null) {
    const [, file = "", row, col, message = ""] = said;
    return {
      entry: { tool: toolOf(file), ...placed(file, row, col), message, hint: hintFor(message) },
      taken: 1,
    };
  }
  const symbol = line.includes("undefined reference") ? UNDEFINED.exec(line) : null;
  if (symbol !== null) {
    const [, file, , row, message = ""] = symbol;
    const hint = "A library or source file is missing at link time: add it to the link line.";
    return { entry: { tool: "ld", ...placed(file, row), message, hint }, taken: 1 };
  }
  const linked = LINKER.exec(line)?.[1];
  if (linked !== undefined) {
    const hint = linked.startsWith("cannot find")
      ? "The library is not in the image: install its -dev package first."
      : undefined;
    return { entry: { tool: "ld", message: linked, hint }, taken: 1 };
  }
  const driver = DRIVER.exec(line);
  if (driver === null) return undefined;
  const [, name = "", message = ""] = driver;
  return {
    entry: { tool: name === "collect2" ? "ld" : name, message },
    taken: 1,
    minor: name === "collect2" || message.startsWith("linker command failed"),
  };
};

function toolOf(file: string): string {
  const extension = file.slice(file.lastIndexOf(".") + 1).toLowerCase();
  return LANGUAGES[extension] ?? "gcc";
}

function hintFor(message: string): string | undefined {
  return /: No such file or directory$|file not found$/.test(message)
    ? "The header is not in the image: install its -dev package, or COPY it before the RUN."
    : undefined;
}
