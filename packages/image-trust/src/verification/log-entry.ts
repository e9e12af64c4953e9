import type { TransparencyLogEntry } from "@sigstore/bundle";
import { z } from "zod";
import { jsonOf } from "./simple-signing.js";

const ENTRY = z.looseObject({
  SignedEntryTimestamp: z.string().min(1),
  Payload: z.looseObject({
    body: z.string().min(1),
    integratedTime: z.number().int().positive(),
    logIndex: z.number().int().nonnegative(),
    logID: z.string().regex(/^[0-9a-f]{64}$/),
  }),
});
const BODY = z.looseObject({ kind: z.string(), apiVersion: z.string() });

/** The log's promise that cosign stores beside a signature, in sigstore's own shape; undefined for anything else. */
export function readLogEntry(value: unknown): TransparencyLogEntry | undefined {
  const parsed = ENTRY.safeParse(value);
  if (!parsed.success) return undefined;
  const { SignedEntryTimestamp, Payload } = parsed.data;
  const canonicalizedBody = Buffer.from(Payload.body, "base64");
  const body = BODY.safeParse(jsonOf(canonicalizedBody));
  if (!body.success) return undefined;
  return {
    logIndex: String(Payload.logIndex),
    logId: { keyId: Buffer.from(Payload.logID, "hex") },
    kindVersion: { kind: body.data.kind, version: body.data.apiVersion },
    integratedTime: String(Payload.integratedTime),
    inclusionPromise: { signedEntryTimestamp: Buffer.from(SignedEntryTimestamp, "base64") },
    inclusionProof: undefined,
    canonicalizedBody,
  };
}
