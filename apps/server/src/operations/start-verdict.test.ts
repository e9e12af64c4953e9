import { ProvisionerError, systemClock, type JsonObject } from "@molecule-ai/core";
import { admit, parseAdmissionPolicy, requireAdmitted } from "@molecule-ai/image-trust";
import type { UpResult } from "@molecule-ai/provisioner-core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { admissionView } from "../api/admission-view.js";
import { verdictOfRefusal, verdictOfStart } from "./start-verdict.js";

const now = 1_800_000_000_000;
const clock = { ...systemClock, now: () => now };
const at = new Date(now).toISOString();

/** What the gate says of an image of which nothing is known. */
function judge(policy: object) {
  const facts = {
    reference: "hello:1",
    imageId: "sha256:0",
    digest: undefined,
    source: undefined,
    origin: "built" as const,
    createdAt: undefined,
    bases: undefined,
    findings: undefined,
    verification: undefined,
    hasProvenance: false,
  };
  return admit({ facts, policy: parseAdmissionPolicy(policy), tier: 2, now });
}

function refusalOf(policy: object): unknown {
  try {
    requireAdmitted(judge(policy), "hello:1");
  } catch (error) {
    return error;
  }
  throw new Error("it was admitted");
}

describe("verdictOfStart", () => {
  const started = (admission: unknown) =>
    verdictOfStart({ admission, tier: 2, image: { ref: "hello:1" } } as UpResult, clock);

  it("keeps what the gate warned of", () => {
    const policy = { effect: "warn", rules: { provenance: true, maxAgeDays: 1 } };
    const verdict = started(judge(policy));
    expect(admissionView.parse(verdict)).toEqual({
      decision: "warned",
      tier: 2,
      image: "hello:1",
      at,
      findings: judge(policy).findings,
      passed: [],
    });
  });

  it("says that it was allowed where nothing is asked, and nothing where nobody was", () => {
    expect(started({ decision: "allowed", findings: [] })).toMatchObject({ decision: "allowed" });
    expect(started(undefined)).toBeUndefined();
  });
});

describe("verdictOfRefusal", () => {
  it("keeps every rule that does not hold, those that only warn too", () => {
    const policy = { rules: { provenance: true, pinnedBases: true } };
    expect(verdictOfRefusal(refusalOf(policy), clock)).toEqual({
      decision: "refused",
      tier: 2,
      image: "hello:1",
      at,
      findings: judge(policy).findings,
      passed: [],
    });
  });

  it("makes nothing of any other error", () => {
    expect(verdictOfRefusal(new Error("no"), clock)).toBeUndefined();
    expect(verdictOfRefusal(new ProvisionerError("ERR_CONFLICT", "no"), clock)).toBeUndefined();
  });

  it("makes nothing of details that are not those of the gate, and keeps no long text", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (details) => {
        const error = new ProvisionerError("ERR_TRUST_REFUSED", "no", {
          details: details as JsonObject,
        });
        expect(verdictOfRefusal(error, clock)).toBeUndefined();
      }),
    );
    const finding = { rule: "bases", effect: "refuse", message: "x".repeat(9999), remedy: "y" };
    const error = new ProvisionerError("ERR_TRUST_REFUSED", "no", {
      details: { reference: "r", tier: 4, findings: [finding] },
    });
    expect(verdictOfRefusal(error, clock)?.findings[0]?.message).toHaveLength(2000);
  });
});
