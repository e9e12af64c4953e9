import type { Dockerfile } from "./dockerfile.js";

type Directives = Pick<Dockerfile, "escape" | "syntax">;

const KNOWN = new Set(["syntax", "escape", "check"]);

/** The `# name=value` lines a file begins with; the first line that is none ends them. */
export function readDirectives(lines: readonly string[]): Directives {
  let escape: Dockerfile["escape"] = "\\";
  let syntax: Directives["syntax"];
  for (const [index, line] of lines.entries()) {
    const { name, value } = parseDirective(line);
    if (!KNOWN.has(name)) break;
    if (name === "escape" && value === "`") escape = "`";
    if (name === "syntax" && value !== "") syntax ??= { image: value, line: index + 1 };
  }
  return { escape, syntax };
}

function parseDirective(line: string): { readonly name: string; readonly value: string } {
  const equals = line.indexOf("=");
  if (!line.startsWith("#") || equals === -1) return { name: "", value: "" };
  return {
    name: line.slice(1, equals).trim().toLowerCase(),
    value: line.slice(equals + 1).trim(),
  };
}
