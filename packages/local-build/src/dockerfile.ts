import { realpath, stat } from "node:fs/promises";
import { join, relative, sep } from "node:path";
import { LocalBuildError } from "./errors.js";

/**
 * Path of the Dockerfile inside a checkout: a regular file of that name at the root, or what a link
 * of that name leads to inside the checkout. Anything else is `ERR_LOCAL_BUILD_NO_DOCKERFILE`.
 */
export async function findDockerfile(
  checkout: string,
  template: { readonly runtime: string; readonly source: string; readonly sha: string },
): Promise<string> {
  const root = await realpath(checkout);
  const path = await realpath(join(root, "Dockerfile")).catch(() => undefined);
  const inside = path !== undefined && path.startsWith(root + sep);
  if (inside && (await stat(path)).isFile()) return relative(root, path).split(sep).join("/");
  const why =
    path === undefined
      ? ""
      : inside
        ? ": it is a directory"
        : ": it is a link that leads elsewhere";
  throw new LocalBuildError(
    "ERR_LOCAL_BUILD_NO_DOCKERFILE",
    `The template of runtime ${template.runtime} (${template.source} at ${template.sha.slice(0, 12)}) has no Dockerfile${why}.`,
    {
      hint: "Add a regular file named Dockerfile at the root of the template repository.",
      details: { runtime: template.runtime, repository: template.source, revision: template.sha },
    },
  );
}
