import { posix } from "node:path";
import { ImageBuildError } from "../errors.js";
import { compilePathPattern, matchesPathOrParent, type PathPattern } from "../path-pattern.js";

/** The files a `.dockerignore` leaves out of a context. */
export interface IgnoreRules {
  /** True when `path` (relative, `/` between its parts) or one of its parents is left out. */
  ignores(path: string): boolean;
  /** True when something below an ignored directory may still be wanted. */
  readonly hasExceptions: boolean;
}

const MAX_PATTERNS = 10_000;
const MAX_PATTERN_LENGTH = 4096;

/**
 * Reads a `.dockerignore` as Docker does: Go's `filepath.Match` plus `**`, `!` exceptions, `#`
 * comments, the last matching line wins, letter case counts.
 *
 * Matching takes time linear in path and pattern, whatever they hold: a template is not ours to
 * trust, and patterns turned into backtracking expressions can stop a process for hours.
 *
 * Throws `ERR_BUILD_DOCKERIGNORE` with the line of a malformed pattern.
 */
export function parseDockerignore(text: string, name = ".dockerignore"): IgnoreRules {
  const rules: Rule[] = [];
  for (const [index, raw] of text
    .replace(/^\uFEFF/, "")
    .split("\n")
    .entries()) {
    const refuse = (reason: string): never => {
      throw new ImageBuildError(
        "ERR_BUILD_DOCKERIGNORE",
        `${name} line ${index + 1} cannot be used: ${reason}.`,
        { hint: "Patterns follow Go's filepath.Match, with ** for any number of directories." },
      );
    };
    if (raw.startsWith("#")) continue;
    let pattern = raw.trim();
    if (pattern === "") continue;
    if (pattern.length > MAX_PATTERN_LENGTH) {
      return refuse(`it is longer than ${MAX_PATTERN_LENGTH} characters`);
    }
    if (rules.length >= MAX_PATTERNS) return refuse(`there are more than ${MAX_PATTERNS} patterns`);
    const exception = pattern.startsWith("!");
    if (exception) pattern = pattern.slice(1).trim();
    pattern = cleanPattern(pattern);
    if (pattern === "") return refuse("there is no pattern after the exclamation mark");
    const program = compilePathPattern(pattern);
    if (program === undefined) return refuse(`${JSON.stringify(pattern)} is malformed`);
    rules.push({ exception, program });
  }
  return {
    hasExceptions: rules.some((rule) => rule.exception),
    ignores(path) {
      let ignored = false;
      for (const rule of rules) {
        // Only a rule that would change the verdict has to be tried.
        if (ignored === rule.exception && matchesPathOrParent(rule.program, path)) {
          ignored = !rule.exception;
        }
      }
      return ignored;
    },
  };
}

interface Rule {
  readonly exception: boolean;
  readonly program: PathPattern;
}

function cleanPattern(pattern: string): string {
  if (pattern === "") return "";
  const clean = posix.normalize(pattern).replace(/(?<=.)\/$/, "");
  return clean.length > 1 && clean.startsWith("/") ? clean.slice(1) : clean;
}
