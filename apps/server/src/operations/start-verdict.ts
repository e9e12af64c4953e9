import { isProvisionerError, type Clock } from "@molecule-ai/core";
import type { UpResult } from "@molecule-ai/provisioner-core";
import { z } from "zod";
import type { AdmissionView } from "../api/admission-view.js";

const MOST_FINDINGS = 20;
const LONGEST_TEXT = 2000;

const text = z.string().transform((value) => value.slice(0, LONGEST_TEXT));
const finding = z.object({
  rule: text,
  effect: z.enum(["warn", "refuse"]).default("warn"),
  message: text,
  remedy: text,
});
const rules = z.object({
  findings: z.array(finding).max(MOST_FINDINGS),
  passed: z.array(text).max(MOST_FINDINGS).default([]),
});
const verdict = rules.extend({ decision: z.enum(["allowed", "warned"]) });
const refusal = rules.extend({ reference: text, tier: z.int() });

/** The verdict on the image that a workspace was started from; undefined when nobody was asked. */
export function verdictOfStart(
  { admission, tier, image }: Pick<UpResult, "admission" | "tier" | "image">,
  clock: Clock,
): AdmissionView | undefined {
  const parsed = verdict.safeParse(admission);
  return parsed.success ? { ...parsed.data, tier, image: image.ref, at: now(clock) } : undefined;
}

/** The verdict that an error tells of; undefined for an error that is no refusal of an image. */
export function verdictOfRefusal(error: unknown, clock: Clock): AdmissionView | undefined {
  if (!isProvisionerError(error, "ERR_TRUST_REFUSED")) return undefined;
  const parsed = refusal.safeParse(error.details);
  if (!parsed.success) return undefined;
  const { reference, ...said } = parsed.data;
  return { ...said, decision: "refused", image: reference, at: now(clock) };
}

function now(clock: Clock): string {
  return new Date(clock.now()).toISOString();
}
