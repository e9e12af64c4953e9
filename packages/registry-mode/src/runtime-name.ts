import { RegistryModeError } from "./errors.js";

const RUNTIME_NAME = /^[a-z0-9]+(?:-[a-z0-9]+)*$/;
const LONGEST_NAME = 63;

/**
 * True for what can be the name of a runtime: 1 to 63 of `a-z 0-9 -`, no hyphen at either end and
 * no two together. Such a name is safe in a path, a URL, an image reference and a variable name.
 */
export function isRuntimeName(text: string): boolean {
  return text.length <= LONGEST_NAME && RUNTIME_NAME.test(text);
}

/** `name` itself, or `ERR_RUNTIME_NAME_INVALID`. */
export function requireRuntimeName(name: string, hint?: string): string {
  if (isRuntimeName(name)) return name;
  throw new RegistryModeError(
    "ERR_RUNTIME_NAME_INVALID",
    `${JSON.stringify(name.slice(0, 80))} cannot be the name of a runtime.`,
    { hint: hint ?? "Use lower-case letters, digits and single hyphens, at most 63 of them." },
  );
}
