import { RegistryModeError } from "./errors.js";

// git-check-ref-format: no control character, space, ~ ^ : ? * [ \ anywhere.
// oxlint-disable-next-line no-control-regex
const FORBIDDEN_CHARACTER = /[\u0000- \u007f~^:?*[\\]/;
const LONGEST_REF = 255;

/**
 * True for a branch, tag or commit by the rules of `git check-ref-format`, which also makes it safe
 * as an operand: it never starts with a hyphen and never holds `..`, `@{` or white space.
 */
export function isTemplateRef(text: string): boolean {
  if (text === "" || text.length > LONGEST_REF || text === "@") return false;
  if (FORBIDDEN_CHARACTER.test(text) || text.startsWith("-")) return false;
  if (text.includes("..") || text.includes("@{") || text.endsWith(".")) return false;
  return text
    .split("/")
    .every((part) => part !== "" && !part.startsWith(".") && !part.endsWith(".lock"));
}

/** `text` itself, or `ERR_RUNTIME_REF_INVALID`. `origin` is the option or variable it came from. */
export function parseTemplateRef(text: string, origin?: string): string {
  if (isTemplateRef(text)) return text;
  throw new RegistryModeError(
    "ERR_RUNTIME_REF_INVALID",
    `${origin === undefined ? "" : `${origin}: `}${JSON.stringify(text.slice(0, 80))} is no branch, tag or commit.`,
    { hint: "Give a branch or tag name as git allows it, or a commit of 40 or 64 hex digits." },
  );
}
