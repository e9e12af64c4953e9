import { isDigest } from "@molecule-ai/registry-mode";
import { z } from "zod";
import type { FetchedManifest, ResolvedManifest } from "../client.js";
import { digestOf } from "../digest.js";
import { invalidAnswer, wrongDigest } from "../errors.js";
import { MEDIA_TYPES, parseManifest } from "../manifest.js";
import type { Answer } from "./http.js";
import { subjectOf, type ManifestAddress } from "./manifest-address.js";
import { headerOf } from "./refusal.js";

/** What servers say that do not know better. */
const GENERIC_TYPES: readonly string[] = [
  "",
  "application/json",
  "application/octet-stream",
  "text/plain",
];

const OBJECT = z.record(z.string(), z.unknown());

/** Undefined when the answer to HEAD tells too little. */
export function readHead(address: ManifestAddress, answer: Answer): ResolvedManifest | undefined {
  const digest = headerOf(answer, "docker-content-digest") ?? "";
  const mediaType = mediaTypeOf(answer);
  const length = headerOf(answer, "content-length") ?? "";
  if (!isDigest(digest) || GENERIC_TYPES.includes(mediaType) || !/^\d{1,15}$/.test(length)) {
    return undefined;
  }
  checkTarget(address, digest);
  return { digest, mediaType, sizeBytes: Number(length) };
}

export function readManifest(
  address: ManifestAddress,
  answer: Answer,
  bytes: Buffer,
): FetchedManifest {
  const { domain: host, target } = address;
  const subject = subjectOf(address);
  const told = headerOf(answer, "docker-content-digest") ?? "";
  const like = isDigest(target) ? target : isDigest(told) ? told : undefined;
  const digest = digestOf(bytes, like);
  checkTarget(address, digest);
  if (isDigest(told) && sameAlgorithm(told, digest) && told !== digest) {
    throw wrongDigest(host, subject, `its bytes have the digest ${digest}, not ${told}`);
  }
  const parsed = OBJECT.safeParse(parseJson(bytes));
  if (!parsed.success) throw invalidAnswer(host, subject, "this is no manifest");
  const { mediaType: own } = parsed.data;
  const header = mediaTypeOf(answer);
  const isGeneric = GENERIC_TYPES.includes(header);
  // Read as an index by one and as an image by another, a digest would not mean one thing.
  if (typeof own === "string" && own !== "" && !isGeneric && own.toLowerCase() !== header) {
    throw invalidAnswer(host, subject, "it is sent as another kind than it says it is");
  }
  const mediaType = isGeneric
    ? typeof own === "string" && own !== ""
      ? own
      : kindOf(parsed.data)
    : header;
  if (mediaType === undefined) throw invalidAnswer(host, subject, "this is no manifest");
  return { digest, mediaType, sizeBytes: bytes.length, bytes, json: parsed.data };
}

/** The OCI type of a manifest that names none. */
function kindOf(json: unknown): string | undefined {
  const kind = parseManifest(json)?.kind;
  return kind && (kind === "index" ? MEDIA_TYPES.ociIndex : MEDIA_TYPES.ociManifest);
}

function mediaTypeOf(answer: Answer): string {
  return (headerOf(answer, "content-type") ?? "").split(";", 1)[0]?.trim().toLowerCase() ?? "";
}

function checkTarget(address: ManifestAddress, digest: string): void {
  if (!isDigest(address.target) || address.target === digest) return;
  throw wrongDigest(address.domain, subjectOf(address), `the registry gave ${digest} instead`);
}

export function sameAlgorithm(one: string, other: string): boolean {
  return one.split(":", 1)[0] === other.split(":", 1)[0];
}

function parseJson(bytes: Buffer | undefined): unknown {
  try {
    return JSON.parse(bytes?.toString("utf8") ?? "");
  } catch {
    return undefined;
  }
}
