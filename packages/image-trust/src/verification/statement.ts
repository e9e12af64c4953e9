import type { JsonObject } from "@molecule-ai/core";
import { z } from "zod";
import { ImageTrustError } from "../errors.js";
import { jsonOf } from "./simple-signing.js";

/** The payload type of every in-toto envelope. */
export const IN_TOTO_PAYLOAD_TYPE = "application/vnd.in-toto+json";

/** An in-toto statement, version 0.1 or 1: something said of one or more artifacts. */
export interface Statement {
  readonly predicateType: string;
  readonly predicate: JsonObject;
  /** SHA-256 digests of what it speaks of, as `sha256:…`. */
  readonly subjects: readonly { readonly name: string; readonly digest: string }[];
}

const STATEMENT = z.looseObject({
  _type: z.string().regex(/^https:\/\/in-toto\.io\/Statement\/v(?:0\.1|1)$/),
  predicateType: z.string().min(1).max(500),
  predicate: z.record(z.string(), z.json()),
  subject: z
    .array(
      z.looseObject({
        name: z.string().max(2000).default(""),
        digest: z.record(z.string(), z.string()),
      }),
    )
    .min(1)
    .max(1000),
});

/** Reads a statement. Throws `ERR_TRUST_MALFORMED` for anything else, also one without a subject. */
export function parseStatement(bytes: Uint8Array): Statement {
  const parsed = STATEMENT.safeParse(jsonOf(bytes));
  if (!parsed.success) {
    throw new ImageTrustError("ERR_TRUST_MALFORMED", "What was attested is no in-toto statement.", {
      hint: "Attest the image again.",
    });
  }
  const { predicateType, predicate, subject } = parsed.data;
  return {
    predicateType,
    predicate,
    subjects: subject.flatMap(({ name, digest }) => {
      const hex = digest["sha256"];
      return hex !== undefined && /^[0-9a-f]{64}$/.test(hex)
        ? [{ name, digest: `sha256:${hex}` }]
        : [];
    }),
  };
}
