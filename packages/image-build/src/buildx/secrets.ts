import { open } from "node:fs/promises";
import { ImageBuildError } from "../errors.js";
import type { BuildSecret } from "../image-builder.js";
import { formatAttributes } from "./csv-attributes.js";

/** The largest secret that BuildKit takes. */
const MAX_SECRET_BYTES = 500 * 1024;

/** `--secret` and its value for each secret, sorted by id. A value itself is only in {@link secretEnvironment}. */
export function secretArguments(secrets: readonly BuildSecret[]): readonly string[] {
  return inOrder(secrets).flatMap(({ id, source }, index) => [
    "--secret",
    formatAttributes([
      ["id", id],
      ["src", source.kind === "file" ? source.path : undefined],
      ["env", source.kind === "value" ? variableOf(index) : undefined],
    ]),
  ]);
}

/** The variables that a call with {@link secretArguments} needs in its environment. */
export function secretEnvironment(
  secrets: readonly BuildSecret[],
): Readonly<Record<string, string>> {
  return Object.fromEntries(
    inOrder(secrets).flatMap(({ source }, index) =>
      source.kind === "value" ? [[variableOf(index), source.value]] : [],
    ),
  );
}

/**
 * What must not be shown of a build with these secrets: their values, files read. Throws
 * `ERR_BUILD_OPTIONS` for a file that is none, cannot be read or is larger than BuildKit takes.
 */
export async function readSecretValues(secrets: readonly BuildSecret[]): Promise<string[]> {
  return Promise.all(
    secrets.map(async ({ id, source }) =>
      source.kind === "value" ? source.value : readSecretFile(id, source.path),
    ),
  );
}

async function readSecretFile(id: string, path: string): Promise<string> {
  const refuse = (reason: string, cause?: unknown): ImageBuildError =>
    new ImageBuildError("ERR_BUILD_OPTIONS", `The secret ${id} cannot be used: ${reason}.`, {
      hint: `Check ${path}: it must be a file of at most ${MAX_SECRET_BYTES / 1024} KiB that may be read.`,
      cause,
    });
  try {
    await using file = await open(path, "r");
    const stat = await file.stat();
    if (!stat.isFile()) throw refuse("it is not a file");
    if (stat.size > MAX_SECRET_BYTES) throw refuse("its file is too large");
    return await file.readFile("utf8");
  } catch (cause) {
    if (cause instanceof ImageBuildError) throw cause;
    throw refuse("its file cannot be read", cause);
  }
}

function inOrder(secrets: readonly BuildSecret[]): readonly BuildSecret[] {
  return secrets.toSorted((a, b) => Buffer.compare(Buffer.from(a.id), Buffer.from(b.id)));
}

function variableOf(index: number): string {
  return `MOLECULE_BUILD_SECRET_${index}`;
}
