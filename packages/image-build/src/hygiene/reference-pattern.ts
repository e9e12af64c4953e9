import {
  familiarName,
  familiarReference,
  formatImageReference,
  parseImageReference,
} from "@molecule-ai/registry-mode";
import { ImageBuildError } from "../errors.js";
import { compilePathPattern, matchesPath } from "../path-pattern.js";

/** True for names of images that a pattern means. */
export type ReferencePattern = (name: string) => boolean;

const LONGEST_PATTERN = 512;

/**
 * A pattern as `docker images --filter reference=` takes it: Go's `path.Match` over the whole name or
 * the name without tag and digest, so `prod/*` means every tag of `prod/app`, and `*` no slash. Also
 * the full form is looked at: `docker.io/library/*` means `alpine:3`. Throws `ERR_BUILD_SETTINGS` for a
 * malformed pattern: one that protects nothing would be noticed too late.
 */
export function parseReferencePattern(pattern: string): ReferencePattern {
  // Two stars are one to Go, and directories to a .dockerignore.
  const program =
    pattern.length > LONGEST_PATTERN ? undefined : compilePathPattern(pattern.replace(/\*+/g, "*"));
  if (program === undefined || pattern === "") {
    throw new ImageBuildError(
      "ERR_BUILD_SETTINGS",
      `${JSON.stringify(pattern.slice(0, 80))} cannot be a pattern of image names.`,
      { hint: "Write it as for docker images --filter reference=…: prod/*, team/app:1.*" },
    );
  }
  return (name) => spellings(name).some((spelling) => matchesPath(program, spelling));
}

function spellings(name: string): string[] {
  try {
    const reference = parseImageReference(name);
    const bare = { ...reference, tag: undefined, digest: undefined };
    return [
      name,
      familiarReference(reference),
      familiarName(reference),
      formatImageReference(reference),
      formatImageReference(bare),
    ];
  } catch {
    return [name];
  }
}
