import { open, realpath, stat } from "node:fs/promises";
import { isAbsolute, join, normalize, relative, sep } from "node:path";
import { ImageBuildError } from "../errors.js";

/** Read for the line of a failure and for `.dockerignore`; the engine reads its own copy. */
const MAX_TEXT_BYTES = 1024 * 1024;

export interface FoundDockerfile {
  /** Its real path inside the context, `/` between the parts. */
  readonly path: string;
  /** Undefined when it is too large to look into. */
  readonly text: string | undefined;
}

/**
 * Finds the Dockerfile of a context, following symbolic links as far as they stay inside.
 * `root` is a real path. Throws `ERR_BUILD_NO_DOCKERFILE`, `ERR_BUILD_DOCKERFILE_NOT_A_FILE` or
 * `ERR_BUILD_DOCKERFILE_OUTSIDE`.
 */
export async function findDockerfile(root: string, name: string): Promise<FoundDockerfile> {
  const outside = (): ImageBuildError =>
    new ImageBuildError(
      "ERR_BUILD_DOCKERFILE_OUTSIDE",
      `The Dockerfile ${name} leads out of the build context.`,
      {
        hint: "Put the Dockerfile itself into the context: neither a path with .. nor a link to somewhere else is followed.",
        details: { dockerfile: name },
      },
    );
  const clean = normalize(name);
  if (isAbsolute(name) || clean === ".." || clean.startsWith(`..${sep}`) || name.includes("\0")) {
    throw outside();
  }
  let real: string;
  try {
    real = await realpath(join(root, clean));
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    if (code !== "ENOENT" && code !== "ENOTDIR" && code !== "ELOOP") throw unreadable(name, cause);
    throw new ImageBuildError(
      "ERR_BUILD_NO_DOCKERFILE",
      `There is no ${name} in the build context.`,
      {
        hint: "Add a Dockerfile to the root of the template, or name the right one.",
        details: { dockerfile: name },
        cause,
      },
    );
  }
  const path = relative(root, real).split(sep).join("/");
  if (path.startsWith("../") || path === ".." || isAbsolute(path)) throw outside();
  if (path.split("/").includes(".git")) throw outside();
  if (!(await stat(real)).isFile()) {
    throw new ImageBuildError("ERR_BUILD_DOCKERFILE_NOT_A_FILE", `${name} is not a file.`, {
      hint: "The Dockerfile must be a regular file; a directory or device of that name is in the way.",
      details: { dockerfile: name },
    });
  }
  return { path, text: await readBounded(real, name) };
}

/**
 * The ignore file that applies: `<Dockerfile>.dockerignore` if it exists, else `.dockerignore`.
 * Undefined without one. Throws `ERR_BUILD_DOCKERIGNORE` for one that is no file or leads outside.
 */
export async function findDockerignore(
  root: string,
  dockerfile: string,
): Promise<{ readonly path: string; readonly text: string } | undefined> {
  for (const path of [
    `${normalize(dockerfile).split(sep).join("/")}.dockerignore`,
    ".dockerignore",
  ]) {
    const refuse = (reason: string, cause?: unknown): ImageBuildError =>
      new ImageBuildError("ERR_BUILD_DOCKERIGNORE", `${path} cannot be used: ${reason}.`, {
        hint: "Make it a regular file of at most 1 MiB inside the build context.",
        cause,
      });
    let real: string;
    try {
      real = await realpath(join(root, path));
    } catch (cause) {
      const code = (cause as NodeJS.ErrnoException).code;
      if (code === "ENOENT" || code === "ENOTDIR") continue;
      throw refuse("it cannot be reached", cause);
    }
    if (!real.startsWith(root.endsWith(sep) ? root : root + sep)) {
      throw refuse("it leads out of the build context");
    }
    if (!(await stat(real)).isFile()) throw refuse("it is not a file");
    const text = await readBounded(real, path);
    if (text === undefined) throw refuse("it is larger than 1 MiB");
    return { path, text };
  }
  return undefined;
}

async function readBounded(real: string, name: string): Promise<string | undefined> {
  try {
    await using file = await open(real, "r");
    const bytes = Buffer.alloc(MAX_TEXT_BYTES + 1);
    let length = 0;
    for (;;) {
      const { bytesRead } = await file.read(bytes, length, bytes.length - length);
      length += bytesRead;
      if (bytesRead === 0 || length === bytes.length) break;
    }
    return length > MAX_TEXT_BYTES ? undefined : bytes.toString("utf8", 0, length);
  } catch (cause) {
    throw unreadable(name, cause);
  }
}

function unreadable(name: string, cause: unknown): ImageBuildError {
  return new ImageBuildError("ERR_BUILD_CONTEXT_UNREADABLE", `${name} cannot be read.`, {
    hint: "Check its permissions and those of the directories above it.",
    cause,
  });
}
