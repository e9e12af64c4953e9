import { mkdir } from "node:fs/promises";
import { Transform, type Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import type { ReadEntry } from "tar";
import { isProvisionerError } from "@molecule-ai/core";
import { LocalBuildError } from "../errors.js";
import { isFullSha } from "../git-object.js";
import { TemplateMeter, type TemplateLimits } from "../limits.js";
import { staysInside } from "../template-tree.js";

export interface ExtractOptions {
  readonly limits: TemplateLimits;
  readonly signal: AbortSignal;
  readonly onProgress: () => void;
}

export interface ExtractedArchive {
  /** The commit `git archive` says it was made from; undefined when the archive does not say. */
  readonly commit: string | undefined;
  /** Modification time of the entries, which git sets to the commit time. */
  readonly committedAt: number | undefined;
}

/** Headers and padding of a tar per entry, and its end. */
const ENTRY_OVERHEAD_BYTES = 4096;

/**
 * Unpacks a forge's `tar.gz` of one commit into the new directory `destination`, without the one
 * directory everything in it lies under. Only files, directories and links inside the tree are
 * unpacked; anything else is `ERR_LOCAL_BUILD_UNSAFE_TEMPLATE`, a damaged archive
 * `ERR_LOCAL_BUILD_CHECKOUT`. What was unpacked before the failure stays: the caller removes it.
 */
export async function extractArchive(
  source: Readable,
  destination: string,
  options: ExtractOptions,
): Promise<ExtractedArchive> {
  await mkdir(destination, { mode: 0o755 });
  const { x } = await import("tar");
  const meter = new TemplateMeter(options.limits);
  let top: string | undefined;
  let commit: string | undefined;
  let committedAt: number | undefined;
  let refusal: Error | undefined;

  const admit = (path: string, entry: ReadEntry): void => {
    const comment = entry.globalExtended?.comment?.trim();
    if (comment !== undefined && isFullSha(comment)) commit = comment;
    const [first = "", ...inside] = path.replace(/\/$/, "").split("/");
    top ??= first;
    if (first !== top || first === "" || first === "..") {
      throw unsafe(path, "it lies outside the archive's directory");
    }
    if (inside.some((part) => part === "" || part === "." || part === "..")) {
      throw unsafe(path, "its path is not a plain one");
    }
    if (inside.some((part) => part.toLowerCase() === ".git")) {
      throw unsafe(path, "it belongs to git itself");
    }
    switch (entry.type) {
      case "Directory":
        meter.add(1, 0);
        return;
      case "File":
      case "OldFile":
        meter.add(1, entry.size);
        committedAt ??= entry.mtime?.getTime();
        return;
      case "SymbolicLink":
        meter.add(1, 0);
        if (staysInside(inside.join("/"), entry.linkpath ?? "")) return;
        throw unsafe(path, "it is a link that leads out of the template");
      default:
        throw unsafe(path, `entries of type ${entry.type} are not unpacked`);
    }
  };

  const unpack = x({
    cwd: destination,
    strip: 1,
    strict: true,
    preserveOwner: false,
    noMtime: true,
    filter(path, entry) {
      if (refusal !== undefined) return false;
      try {
        admit(path, entry as ReadEntry);
        return true;
      } catch (error) {
        refusal = error as Error;
        source.destroy(refusal);
        return false;
      }
    },
  });

  const { templateBytes, templateFiles } = options.limits;
  const largestTar = templateBytes + templateFiles * ENTRY_OVERHEAD_BYTES;
  try {
    await pipeline(
      source,
      observe(options.onProgress),
      createGunzip(),
      limitBytes(largestTar),
      unpack,
      { signal: options.signal },
    );
  } catch (error) {
    options.signal.throwIfAborted();
    const known = refusal ?? error;
    if (isProvisionerError(known)) throw known;
    throw damaged(known);
  }
  if (refusal !== undefined) throw refusal;
  return { commit, committedAt };
}

function observe(onProgress: () => void): Transform {
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      onProgress();
      done(null, chunk);
    },
  });
}

function limitBytes(limit: number): Transform {
  let length = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      length += chunk.length;
      if (length > limit) {
        done(
          new LocalBuildError(
            "ERR_LOCAL_BUILD_TEMPLATE_TOO_LARGE",
            `The archive of the template unpacks to more than ${limit} bytes.`,
            {
              hint: "Remove what the image does not need, or raise MOLECULE_LOCAL_BUILD_TEMPLATE_MB.",
            },
          ),
        );
      } else {
        done(null, chunk);
      }
    },
  });
}

function unsafe(path: string, why: string): LocalBuildError {
  return new LocalBuildError(
    "ERR_LOCAL_BUILD_UNSAFE_TEMPLATE",
    `The archive of the template holds ${JSON.stringify(path)}, which is refused: ${why}.`,
    { hint: "Replace it in the template repository by a regular file.", details: { path } },
  );
}

function damaged(cause: unknown): LocalBuildError {
  return new LocalBuildError(
    "ERR_LOCAL_BUILD_CHECKOUT",
    "The archive of the template is damaged or incomplete.",
    { hint: "Try again; if it stays so, install git.", retryable: true, cause },
  );
}
