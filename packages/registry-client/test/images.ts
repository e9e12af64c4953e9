import { randomBytes } from "node:crypto";
import { gzipSync } from "node:zlib";
import {
  bytesBlob,
  MEDIA_TYPES,
  type RegistryClient,
  type ResolvedManifest,
} from "../src/index.js";
import { digestOf } from "../src/digest.js";

export interface TestImage extends ResolvedManifest {
  readonly layer: Buffer;
  readonly config: Buffer;
}

/** Pushes an image of one layer of random bytes; resolves to its digest and its blobs. */
export async function pushTestImage(
  client: RegistryClient,
  reference: { readonly repository: string; readonly tag?: string },
  options: { readonly layerBytes?: number; readonly arch?: string } = {},
): Promise<TestImage> {
  const layer = gzipSync(randomBytes(options.layerBytes ?? 2048));
  const config = Buffer.from(
    JSON.stringify({
      architecture: options.arch ?? "amd64",
      os: "linux",
      created: "2026-03-04T05:06:07Z",
      config: { Labels: { "molecule.test": "true" } },
      rootfs: { type: "layers", diff_ids: [digestOf(layer)] },
    }),
  );
  const { repository } = reference;
  for (const bytes of [layer, config]) await client.pushBlob(repository, bytesBlob(bytes));
  const bytes = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MEDIA_TYPES.ociManifest,
      config: {
        mediaType: "application/vnd.oci.image.config.v1+json",
        digest: digestOf(config),
        size: config.length,
      },
      layers: [
        {
          mediaType: "application/vnd.oci.image.layer.v1.tar+gzip",
          digest: digestOf(layer),
          size: layer.length,
        },
      ],
    }),
  );
  const manifest = await client.putManifest(repository, reference.tag ?? digestOf(bytes), {
    mediaType: MEDIA_TYPES.ociManifest,
    bytes,
  });
  return { ...manifest, layer, config };
}

/** Pushes an index of images for two platforms. */
export async function pushTestIndex(
  client: RegistryClient,
  repository: string,
  tag: string,
): Promise<ResolvedManifest & { readonly parts: readonly TestImage[] }> {
  const parts: (TestImage & { readonly arch: string })[] = [];
  for (const arch of ["amd64", "arm64"]) {
    parts.push({ arch, ...(await pushTestImage(client, { repository }, { arch })) });
  }
  const bytes = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MEDIA_TYPES.ociIndex,
      manifests: parts.map(({ arch, digest, mediaType, sizeBytes }) => ({
        mediaType,
        digest,
        size: sizeBytes,
        platform: { os: "linux", architecture: arch },
      })),
    }),
  );
  const index = await client.putManifest(repository, tag, {
    mediaType: MEDIA_TYPES.ociIndex,
    bytes,
  });
  return { ...index, parts };
}

export async function bytesOf(stream: AsyncIterable<unknown>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
