import type { JsonValue } from "@molecule-ai/core";
import { createHash } from "node:crypto";
import { z } from "zod";
import { ImageBuildError } from "../errors.js";
import { mergePublished } from "./merge-published.js";
import { PUBLISHED_JSON, publishedToJson, type PublishedImage } from "./published.js";

/** What a run published. */
export interface PublishManifest {
  readonly published: readonly PublishedImage[];
  /** Kept as they are. */
  readonly binaries?: readonly JsonValue[] | undefined;
  readonly archives?: readonly JsonValue[] | undefined;
  /** RFC 3339. */
  readonly timestamp: string;
}

/** Far above what thousands of tags need. */
export const MAX_MANIFEST_BYTES: number = 64 * 1024 * 1024;

const MANIFEST = z.looseObject({
  published: z
    .array(PUBLISHED_JSON)
    .max(100_000)
    .nullish()
    .transform((value) => value ?? []),
  binaries: z.array(z.json()).nullish(),
  archives: z.array(z.json()).nullish(),
  timestamp: z.string().max(100),
});

/** The text of a manifest: records merged and in order, with the checksum of all the rest. */
export function formatPublishManifest(manifest: PublishManifest): string {
  const body = {
    published: mergePublished(manifest.published).map(publishedToJson),
    binaries: manifest.binaries,
    archives: manifest.archives,
    timestamp: manifest.timestamp,
  };
  return `${toJson({ ...body, checksum: checksumOf(body) })}\n`;
}

/**
 * Reads the text of a manifest and proves its checksum, or that of an old sidecar file for one that
 * has none. Throws `ERR_PUBLISH_RECORD` for anything else.
 */
export function parsePublishManifest(text: string, sidecar?: string): PublishManifest {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw damaged("it is not JSON", cause);
  }
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    throw damaged("it is no object");
  }
  const { checksum, ...body } = json as Record<string, unknown>;
  if (typeof checksum === "string" && checksum !== "") {
    if (checksum !== checksumOf(body)) throw damaged("its checksum is that of another content");
  } else if (sidecar === undefined) {
    throw damaged("it has no checksum");
  } else if (sidecar.trim().split(/\s+/, 1)[0]?.toLowerCase() !== sha256(text)) {
    throw damaged("the checksum beside it is that of another content");
  }
  const found = MANIFEST.safeParse(body);
  if (!found.success) throw damaged("it is not of this kind", found.error);
  const { published, binaries, archives, timestamp } = found.data;
  return {
    published,
    ...(binaries === null || binaries === undefined ? {} : { binaries }),
    ...(archives === null || archives === undefined ? {} : { archives }),
    timestamp,
  };
}

function checksumOf(body: object): string {
  return sha256(toJson(body));
}

function sha256(text: string): string {
  return createHash("sha256").update(text, "utf8").digest("hex");
}

/** Go's encoder writes these escaped, and the checksum is one over its text. */
const ESCAPED: Readonly<Record<string, string>> = {
  "<": "\\u003c",
  ">": "\\u003e",
  "&": "\\u0026",
  "\u2028": "\\u2028",
  "\u2029": "\\u2029",
};

function toJson(value: unknown): string {
  return JSON.stringify(value, undefined, 2).replace(
    /[<>&\u2028\u2029]/g,
    (character) => ESCAPED[character] ?? character,
  );
}

function damaged(reason: string, cause?: unknown): ImageBuildError {
  return new ImageBuildError(
    "ERR_PUBLISH_RECORD",
    `The record of what was published cannot be used: ${reason}.`,
    { hint: "Publish again; do not change the file by hand.", cause },
  );
}
