import { z } from "zod";
import { jsonOf } from "./simple-signing.js";
import type { Envelope } from "./signed-thing.js";

const BASE64 = z.string().regex(/^[A-Za-z0-9+/_-]*={0,2}$/);
const ENVELOPE = z.looseObject({
  payloadType: z.string().min(1).max(500),
  payload: BASE64,
  signatures: z.array(z.looseObject({ sig: BASE64.min(1) })).max(100),
});

/** Reads a DSSE envelope; undefined for anything else, also for one that nobody signed. */
export function parseEnvelope(bytes: Uint8Array): Envelope | undefined {
  const parsed = ENVELOPE.safeParse(jsonOf(bytes));
  if (!parsed.success || parsed.data.signatures.length === 0) return undefined;
  const { payloadType, payload, signatures } = parsed.data;
  return {
    payloadType,
    payload: Buffer.from(payload, "base64"),
    signatures: signatures.map(({ sig }) => Buffer.from(sig, "base64")),
  };
}
