import { placed, type ToolParser } from "./tool-parser.js";

const HEAD = /^CMake Error(?: at (.{1,300}?):(\d{1,7}))?(?: \((\w{1,60})\))?:? ?(.*)$/;
const MAX_MESSAGE_LINES = 12;

/** cmake: the head line and the first paragraph below it. */
export const parseCmake: ToolParser = (lines, at) => {
  const line = lines[at] ?? "";
  const head = line.startsWith("CMake Error") ? HEAD.exec(line) : null;
  if (head === null) return undefined;
  const [, file, row, command, rest = ""] = head;
  const words = rest === "" ? [] : [rest];
  let taken = 1;
  while (taken <= MAX_MESSAGE_LINES && /^ {2,}\S/.test(lines[at + taken] ?? "")) {
    words.push((lines[at + taken] ?? "").trim());
    taken += 1;
  }
  const hint =
    command === "find_package"
      ? "The package is not in the image: install its -dev package first."
      : undefined;
  return {
    entry: { tool: "cmake", ...placed(file, row), message: words.join(" ") || "failed", hint },
    taken,
  };
};
