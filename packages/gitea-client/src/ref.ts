import { GiteaError } from "./errors.js";

/** How a ref is looked up. `any` is a branch, else a tag. */
export type RefLookup =
  | { readonly kind: "commit"; readonly sha: string }
  | { readonly kind: "branch" | "tag" | "any"; readonly name: string };

const COMMIT = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/i;

// git-check-ref-format: none of these anywhere in a name.
// oxlint-disable-next-line no-control-regex
const FORBIDDEN_CHARACTER = /[\u0000- \u007f~^:?*[\\]/;

/** True for 40 or 64 hex digits in either case. */
export function isCommit(text: string): boolean {
  return COMMIT.test(text);
}

/**
 * Reads a branch, a tag or a full commit. `refs/heads/` and `refs/tags/` in front choose one kind.
 *
 * @throws `ERR_GITEA_REF_INVALID` for what git allows as no name.
 */
export function parseRef(ref: string): RefLookup {
  if (isCommit(ref)) return { kind: "commit", sha: ref.toLowerCase() };
  const [, area, rest] = /^refs\/(heads|tags)\/(.*)$/s.exec(ref) ?? [];
  const name = rest ?? ref;
  if (!isRefName(name)) {
    throw new GiteaError(
      "ERR_GITEA_REF_INVALID",
      `${JSON.stringify(ref.slice(0, 100))} is no branch, tag or commit.`,
      { hint: "Give a branch or tag name as git allows it, or a commit of 40 or 64 hex digits." },
    );
  }
  if (area === undefined) return { kind: "any", name };
  return { kind: area === "heads" ? "branch" : "tag", name };
}

function isRefName(name: string): boolean {
  if (name === "" || name.length > 255 || name.startsWith("-")) return false;
  if (FORBIDDEN_CHARACTER.test(name) || name.includes("..") || name.includes("@{")) return false;
  return name.split("/").every((part) => part !== "" && !part.startsWith("."));
}
