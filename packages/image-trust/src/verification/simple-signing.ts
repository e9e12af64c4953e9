import { z } from "zod";
import { ImageTrustError } from "../errors.js";

/** What cosign signs of an image: https://github.com/containers/image/blob/v5.30.0/docs/containers-signature.5.md */
export interface SimpleSigning {
  /** The digest the signer meant. */
  readonly digest: string;
  /** The repository the signer meant. */
  readonly reference: string;
  readonly annotations: Readonly<Record<string, unknown>>;
}

const PAYLOAD = z.looseObject({
  critical: z.looseObject({
    identity: z.looseObject({ "docker-reference": z.string() }),
    image: z.looseObject({ "docker-manifest-digest": z.string() }),
    type: z.string(),
  }),
  optional: z.record(z.string(), z.unknown()).nullish(),
});

/** Reads a payload. Throws `ERR_TRUST_MALFORMED` for anything else. */
export function parseSimpleSigning(bytes: Uint8Array): SimpleSigning {
  const parsed = PAYLOAD.safeParse(jsonOf(bytes));
  if (!parsed.success) {
    throw new ImageTrustError("ERR_TRUST_MALFORMED", "What was signed is no image signature.", {
      hint: "Sign the image again.",
    });
  }
  const { critical, optional } = parsed.data;
  return {
    digest: critical.image["docker-manifest-digest"],
    reference: critical.identity["docker-reference"],
    annotations: optional ?? {},
  };
}

/** Undefined for bytes that are no JSON. */
export function jsonOf(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString("utf8")) as unknown;
  } catch {
    return undefined;
  }
}
