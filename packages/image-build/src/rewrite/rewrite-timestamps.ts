import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { DockerEngine } from "@molecule-ai/docker-engine";
import { pack, type Pack } from "tar-stream";
import { ImageBuildError } from "../errors.js";
import { clampConfig } from "./clamp-config.js";
import { clampLayer, type ClampedLayer } from "./clamp-layer.js";
import { unpackArchive } from "./unpack-archive.js";

export interface RewriteTimestampsOptions {
  readonly engine: DockerEngine;
  readonly imageId: string;
  /** Unix seconds; nothing in the image is later than this afterwards. */
  readonly epoch: number;
  /** Called while it goes on. */
  readonly onProgress: () => void;
  readonly signal: AbortSignal;
}

/**
 * Makes of an image one in which no time is later than `epoch`: in its layers, its history and its
 * `created`. For engines whose BuildKit is older than `rewrite-timestamp` (0.13). Gives the id of the
 * new image; the old one is left to its caller. Needs the space of the image in the temporary
 * directory, which is empty again afterwards, also after a failure or an abort.
 */
export async function rewriteTimestamps(options: RewriteTimestampsOptions): Promise<string> {
  const { engine, imageId, epoch, signal } = options;
  const directory = await mkdtemp(join(tmpdir(), "molecule-rewrite-"));
  try {
    const archive = await engine.images.save([imageId], { signal });
    const image = await unpackArchive(archive, directory, signal);
    options.onProgress();
    const layers: ClampedLayer[] = [];
    for (const [index, layer] of image.layers.entries()) {
      layers.push(await clampLayer(layer, join(directory, `layer-${index}`), epoch, signal));
      options.onProgress();
    }
    const config = Buffer.from(
      JSON.stringify(
        clampConfig(
          image.config,
          layers.map(({ diffId }) => diffId),
          epoch,
        ),
      ),
    );
    await loadImage(engine, config, layers, signal);
    const id = `sha256:${createHash("sha256").update(config).digest("hex")}`;
    if ((await engine.images.inspect(id, { signal })) !== undefined) return id;
    throw new ImageBuildError(
      "ERR_BUILD_TRUNCATED",
      `The engine does not have the image ${id} that it was given.`,
      {
        hint: "An engine with the containerd store names images otherwise; use a BuildKit from 0.13 on there.",
      },
    );
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function loadImage(
  engine: DockerEngine,
  config: Buffer,
  layers: readonly ClampedLayer[],
  signal: AbortSignal,
): Promise<void> {
  const archive = pack();
  // tar-stream's streams are not those of Node; the engine wants one that is.
  const body = new PassThrough();
  const sent = pipeline(archive, body, { signal });
  const written = writeArchive(archive, config, layers, signal).catch((error: unknown) => {
    archive.destroy(error instanceof Error ? error : undefined);
    throw error;
  });
  const loaded = engine.images.load(body, { signal });
  const [, , outcome] = await Promise.allSettled([written, sent, loaded]);
  signal.throwIfAborted();
  await written;
  if (outcome.status === "rejected") throw outcome.reason;
}

async function writeArchive(
  archive: Pack,
  config: Buffer,
  layers: readonly ClampedLayer[],
  signal: AbortSignal,
): Promise<void> {
  const names = layers.map((_, index) => `${index}/layer.tar`);
  const manifest = [{ Config: "config.json", RepoTags: [], Layers: names }];
  archive.entry({ name: "config.json" }, config);
  archive.entry({ name: "manifest.json" }, JSON.stringify(manifest));
  for (const [index, { file }] of layers.entries()) {
    const { size } = await stat(file);
    const entry = archive.entry({ name: `${index}/layer.tar`, size });
    await pipeline(createReadStream(file), entry, { signal });
  }
  archive.finalize();
}
