import type { BuildContext, NamedContext } from "@molecule-ai/image-build";
import { resolve } from "node:path";
import { invalidOption } from "./invalid-option.js";

const COMMIT_HINT =
  "Name one commit by its full id: https://example.com/team/app.git#<40 hex digits>[:directory]";

/** The context of a build: a directory here, or one commit of a repository. */
export function parseBuildSource(text: string, cwd: string): BuildContext {
  if (!isRepository(text)) return { kind: "directory", path: resolve(cwd, text) };
  const { url, commit, subdirectory } = parseRepository("The context", text);
  return { kind: "git", url, commit, ...(subdirectory === undefined ? {} : { subdirectory }) };
}

/** `name=directory`, `name=docker-image://…`, `name=oci-layout://path@sha256:…`, `name=<repository>`. */
export function parseNamedContext(
  text: string,
  cwd: string,
): readonly [name: string, context: NamedContext] {
  const option = "--build-context";
  const equals = text.indexOf("=");
  if (equals < 1 || equals === text.length - 1) {
    throw invalidOption(option, text, "Give name=directory, or name=docker-image://reference.");
  }
  const name = text.slice(0, equals);
  const value = text.slice(equals + 1);
  if (value.startsWith("docker-image://")) {
    return [name, { kind: "image", reference: value.slice("docker-image://".length) }];
  }
  if (value.startsWith("oci-layout://")) {
    const layout = value.slice("oci-layout://".length);
    const at = layout.lastIndexOf("@");
    if (at < 1) throw invalidOption(option, text, "Give name=oci-layout://path@sha256:digest.");
    const path = resolve(cwd, layout.slice(0, at));
    return [name, { kind: "oci-layout", path, digest: layout.slice(at + 1) }];
  }
  if (isRepository(value)) {
    const { url, commit } = parseRepository(option, value);
    return [name, { kind: "git", url, commit }];
  }
  return [name, { kind: "directory", path: resolve(cwd, value) }];
}

function isRepository(text: string): boolean {
  return /^[a-z][a-z0-9+.-]{0,31}:\/\//i.test(text);
}

function parseRepository(
  option: string,
  text: string,
): { readonly url: string; readonly commit: string; readonly subdirectory: string | undefined } {
  const hash = text.indexOf("#");
  const url = hash === -1 ? text : text.slice(0, hash);
  const [, commit, subdirectory] =
    /^([0-9a-f]{40}|[0-9a-f]{64})(?::(.+))?$/.exec(hash === -1 ? "" : text.slice(hash + 1)) ?? [];
  // A branch moves: what is built must be what was named. BuildKit takes other addresses for a file.
  const isGit = !/^https?:/i.test(url) || url.endsWith(".git");
  if (commit === undefined || !isGit)
    throw invalidOption(option, withoutUserinfo(text), COMMIT_HINT);
  return { url, commit, subdirectory };
}

/** What is shown must not show a password. */
function withoutUserinfo(text: string): string {
  return text.replace(/^([a-z0-9+.-]+:\/\/)[^/@#]*@/i, "$1");
}
