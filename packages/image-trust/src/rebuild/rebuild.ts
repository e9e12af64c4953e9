import { randomBytes } from "node:crypto";
import type { BuildEvent } from "@molecule-ai/core";
import type { DockerEngine } from "@molecule-ai/docker-engine";
import type { BuildOptions, ImageBuilder } from "@molecule-ai/image-build";
import { ImageTrustError } from "../errors.js";
import { readInventory, resolveBases } from "../provenance/resolve-bases.js";
import { compareImages, type ImageComparison } from "./compare-images.js";
import type { ImageContents } from "./image-contents.js";
import { readImage } from "./read-image.js";
import type { ContentsLimits } from "./read-layer.js";
import {
  checkRebuild,
  trustLevelOf,
  type BuildFacts,
  type RebuildCheck,
  type TrustLevel,
} from "./trust-level.js";

/** Where one of the two builds is made. */
export interface RebuildSide {
  readonly engine: DockerEngine;
  /** Builds on that engine. */
  readonly builder: ImageBuilder;
}

export type RebuildEvent =
  | {
      readonly type: "rebuild.pass";
      readonly pass: 1 | 2;
      readonly status: "started" | "built" | "read";
    }
  | { readonly type: "rebuild.build"; readonly pass: 1 | 2; readonly event: BuildEvent };

export interface RebuildRequest {
  /** What is built: the same for both. A tar can be sent only once, so it is refused. */
  readonly build: Omit<
    BuildOptions,
    "tags" | "output" | "cache" | "noCache" | "onEvent" | "signal" | "logFile"
  >;
  readonly first: RebuildSide;
  /** Another builder or engine; default the same as the first. It never uses a cache. */
  readonly second?: RebuildSide | undefined;
  /** What the temporary images are called: `<namespace>-local/rebuild-candidate:<run>`. */
  readonly namespace?: string | undefined;
  readonly limits?: ContentsLimits | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onEvent?: ((event: RebuildEvent) => void) | undefined;
}

export interface RebuildReport {
  /** Names this comparison; part of the names of the temporary images. */
  readonly run: string;
  readonly level: TrustLevel;
  readonly checks: readonly RebuildCheck[];
  readonly comparison: ImageComparison;
  /** Ids of the two images, which are gone. */
  readonly images: readonly [string, string];
}

const CLEANUP_TIMEOUT_MS = 30_000;

/**
 * Builds the same thing twice, the second time without any cache, and compares what came out, file by
 * file. Both images are removed whatever happens, also after an abort; runs side by side do not meet.
 *
 * Throws what the builds throw, and `ERR_TRUST_IMAGE_UNREADABLE`. A difference is a result.
 */
export async function rebuildAndCompare(request: RebuildRequest): Promise<RebuildReport> {
  const { build, first, second = first, signal } = request;
  if (build.context.kind === "tar") {
    throw new ImageTrustError("ERR_TRUST_IMAGE_UNREADABLE", "A tar can be built only once.", {
      hint: "Give the context as a directory or as a git commit.",
    });
  }
  const run = randomBytes(6).toString("hex");
  const one = await makePass(request, first, { run, pass: 1, purpose: "candidate" });
  signal?.throwIfAborted();
  const other = await makePass(request, second, { run, pass: 2, purpose: "verify" });
  const comparison = compareImages(one.contents, other.contents);
  const checks = checkRebuild(comparison, one.facts, other.facts);
  const images = [one.contents.id, other.contents.id] as const;
  return { run, level: trustLevelOf(checks), checks, comparison, images };
}

interface Pass {
  readonly run: string;
  readonly pass: 1 | 2;
  readonly purpose: "candidate" | "verify";
}

/** `molecule-local/rebuild-candidate:<run>` */
export function rebuildTag(namespace: string, purpose: Pass["purpose"], run: string): string {
  return `${namespace}-local/rebuild-${purpose}:${run}`;
}

async function makePass(
  { build, namespace = "molecule", limits, signal, onEvent }: RebuildRequest,
  side: RebuildSide,
  { run, pass, purpose }: Pass,
): Promise<{ readonly contents: ImageContents; readonly facts: BuildFacts }> {
  const { engine, builder } = side;
  const tag = rebuildTag(namespace, purpose, run);
  onEvent?.({ type: "rebuild.pass", pass, status: "started" });
  try {
    await builder.build({
      ...build,
      tags: [tag],
      output: { load: true },
      // Both without: a first pass from the cache may be from a time when the base was another.
      noCache: true,
      signal,
      onEvent: (event) => onEvent?.({ type: "rebuild.build", pass, event }),
    });
    onEvent?.({ type: "rebuild.pass", pass, status: "built" });
    const contents = await readImage(await engine.images.save([tag], { signal }), {
      limits,
      signal,
    });
    onEvent?.({ type: "rebuild.pass", pass, status: "read" });
    return { contents, facts: await factsOf(side, build, signal) };
  } finally {
    await engine.images.remove(tag, { signal: AbortSignal.timeout(CLEANUP_TIMEOUT_MS) });
  }
}

async function factsOf(
  { engine, builder }: RebuildSide,
  build: RebuildRequest["build"],
  signal: AbortSignal | undefined,
): Promise<BuildFacts> {
  const { context, dockerfile = "Dockerfile", buildArgs, target } = build;
  const inventory =
    context.kind === "directory"
      ? await readInventory({ files: context.path, dockerfile, buildArgs, target })
      : undefined;
  const bases = inventory && (await resolveBases(engine, inventory, signal));
  return {
    graph: builder.settingsDigest(build),
    bases: bases?.map(({ reference, digest }) => `${reference} ${digest}`),
  };
}
