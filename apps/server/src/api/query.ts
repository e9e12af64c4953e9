import { z } from "zod";

/** `true` or `false` in a query. */
export const queryFlag = z.enum(["true", "false"]).transform((text) => text === "true");

/** A whole number in a query. */
export function queryInteger(least: number, most: number) {
  return z.coerce.number().int().min(least).max(most);
}

/** Where a stream is taken up again, in the header that browsers send by themselves. */
export const lastEventIdHeader = z.object({
  "last-event-id": z
    .string()
    .regex(/^(\d{1,15})?$/, "must be the id of an event")
    .optional()
    .describe("Resumes after this event."),
});
