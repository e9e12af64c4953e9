import { z } from "zod";

/** What was said of an image before a workspace was started from it, or was not. */
export const admissionView = z
  .object({
    decision: z.enum(["allowed", "warned", "refused"]),
    tier: z.int(),
    image: z.string(),
    at: z.iso.datetime({ offset: true }),
    findings: z
      .array(
        z.object({
          rule: z.string(),
          effect: z.enum(["warn", "refuse"]),
          message: z.string(),
          remedy: z.string(),
        }),
      )
      .describe("Rules that do not hold, each with what to do about it."),
    passed: z.array(z.string()).describe("Rules that were asked and hold."),
  })
  .meta({ id: "Admission" });
export type AdmissionView = z.infer<typeof admissionView>;
