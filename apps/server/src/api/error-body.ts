import { z } from "zod";

/** The one shape of everything that is not a success. `error` is a sentence, as clients expect. */
export const errorBody = z
  .object({
    error: z.string().describe("What failed, in one sentence."),
    code: z.string().describe("Stable name of the failure; see docs/errors.md."),
    hint: z.string().optional().describe("What to do about it."),
    details: z.record(z.string(), z.unknown()).optional(),
  })
  .meta({ id: "Error" });
export type ErrorBody = z.infer<typeof errorBody>;
