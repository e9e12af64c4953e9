import { createHash, createPublicKey, type KeyObject } from "node:crypto";
import { TrustedRoot } from "@sigstore/protobuf-specs";
import { z } from "zod";
import { ImageTrustError } from "../errors.js";

export interface TrustedKey {
  /** How people and verdicts name it. */
  readonly id: string;
  readonly publicKey: KeyObject;
}

export interface TrustedIdentity {
  /** Who vouches for the identity, exactly. */
  readonly issuer: string;
  /** The identity, exactly; a `*` at the end stands for any rest. */
  readonly subject: string;
}

/** Whom this installation believes, as data. Signatures of anybody else do not count. */
export interface TrustPolicy {
  readonly keys: readonly TrustedKey[];
  readonly identities: readonly TrustedIdentity[];
  /** Roots of a sigstore; identities cannot be believed without. */
  readonly trustedRoot: TrustedRoot | undefined;
  /** Builders whose provenance counts; empty for any that a trusted signer attests. */
  readonly builders: readonly string[];
  /** Repositories images may come from, each exactly or with a `*` at the end; empty for any. */
  readonly sources: readonly string[];
  /** Also want the signature in a transparency log. */
  readonly transparency: boolean;
}

const LONGEST = 64 * 1024;
const TEXT = z.string().min(1).max(2000);
const PATTERN = TEXT.regex(/^[^*]+\*?$/, "a * may only stand at the end, after something");

const POLICY = z.strictObject({
  keys: z
    .array(z.strictObject({ id: TEXT, publicKey: z.string().max(LONGEST) }))
    .max(100)
    .default([]),
  identities: z
    .array(z.strictObject({ issuer: TEXT, subject: PATTERN }))
    .max(100)
    .default([]),
  trustedRoot: z.record(z.string(), z.unknown()).optional(),
  builders: z.array(TEXT).max(100).default([]),
  sources: z.array(PATTERN).max(100).default([]),
  transparency: z.boolean().default(false),
});

/**
 * Reads a policy from plain JSON: `keys` (id and PEM), `identities` (issuer and subject, which need
 * `trustedRoot`), `builders`, `sources`, `transparency`. Unknown fields are refused: a misspelt rule
 * would not be one. Throws `ERR_TRUST_POLICY`.
 */
export function parseTrustPolicy(value: unknown): TrustPolicy {
  const parsed = POLICY.safeParse(value);
  if (!parsed.success) return refuse(z.prettifyError(parsed.error).replaceAll("\n", " "));
  const { trustedRoot, keys, ...rest } = parsed.data;
  if (keys.length === 0 && rest.identities.length === 0) {
    return refuse("it trusts neither a key nor an identity, so nothing could ever pass");
  }
  if (rest.identities.length > 0 && trustedRoot === undefined) {
    return refuse("identities can only be believed with a trustedRoot");
  }
  const ids = new Set(keys.map(({ id }) => id));
  if (ids.size !== keys.length) return refuse("two keys have the same id");
  return {
    ...rest,
    keys: keys.map(({ id, publicKey }) => ({ id, publicKey: readKey(id, publicKey) })),
    trustedRoot: trustedRoot === undefined ? undefined : readRoot(trustedRoot),
  };
}

/** SHA-256 over the key as the world writes it (SPKI), so that the same key has the same name. */
export function fingerprintOf(key: KeyObject): string {
  const bytes = key.export({ type: "spki", format: "der" });
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

/** Whether `text` is what a pattern of a policy means. */
export function matchesPattern(pattern: string, text: string): boolean {
  return pattern.endsWith("*") ? text.startsWith(pattern.slice(0, -1)) : text === pattern;
}

function readKey(id: string, pem: string): KeyObject {
  // A private key in a policy would be on every machine that only has to verify.
  if (/PRIVATE KEY/.test(pem)) return refuse(`the key ${JSON.stringify(id)} is a private one`);
  try {
    const key = createPublicKey(pem);
    if (key.asymmetricKeyType === "ec" || key.asymmetricKeyType === "rsa") return key;
  } catch {
    // Said below.
  }
  return refuse(`the key ${JSON.stringify(id)} is no public ECDSA or RSA key in PEM`);
}

function readRoot(json: Readonly<Record<string, unknown>>): TrustedRoot {
  try {
    return TrustedRoot.fromJSON(json);
  } catch (cause) {
    return refuse("trustedRoot is not the JSON of a sigstore trusted root", cause);
  }
}

function refuse(reason: string, cause?: unknown): never {
  throw new ImageTrustError("ERR_TRUST_POLICY", `The trust policy cannot be used: ${reason}.`, {
    hint: "Correct the policy; docs/trust.md shows a whole one.",
    ...(cause === undefined ? {} : { cause }),
  });
}
