import { z } from "zod";

/** The other headers pass as they are. */
export const idempotencyHeaders = z.looseObject({
  "idempotency-key": z
    .string()
    .regex(/^[\x21-\x7e]{1,255}$/, "must be 1 to 255 printable characters without spaces")
    .optional()
    .describe("Repeats of a request with the same key within 24 h have its first answer."),
});
