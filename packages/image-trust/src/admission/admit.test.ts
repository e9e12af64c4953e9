import { describe, expect, it } from "vitest";
import { parseAdmissionPolicy, NO_ADMISSION_POLICY } from "./admission-policy.js";
import { admit, requireAdmitted, type AdmissionVerdict } from "./admit.js";
import type { ImageFacts } from "./image-facts.js";

const NOW = Date.UTC(2026, 0, 31);
const DAY = 24 * 3600 * 1000;
const known: ImageFacts = {
  reference: "hello:abc",
  imageId: `sha256:${"1".repeat(64)}`,
  digest: undefined,
  source: "https://git.example.com/you/hello",
  origin: "built",
  createdAt: NOW - DAY,
  bases: [`debian@sha256:${"2".repeat(64)}`],
  findings: [],
  verification: undefined,
  hasProvenance: true,
};

function judge(
  rules: object,
  facts: Partial<ImageFacts> = {},
  tier: 1 | 2 | 3 | 4 = 2,
): AdmissionVerdict {
  const policy = parseAdmissionPolicy(rules);
  return admit({ facts: { ...known, ...facts }, policy, tier, now: NOW });
}

describe("without a policy", () => {
  it("lets tiers 1 and 2 start anything", () => {
    const stranger = { ...known, origin: undefined, source: undefined };
    const verdict = admit({ facts: stranger, policy: NO_ADMISSION_POLICY, tier: 2, now: NOW });
    expect(verdict.decision).toBe("allowed");
  });

  it.each([3, 4] as const)("starts at tier %i only what was built or pulled here", (tier) => {
    expect(judge({}, { origin: undefined }, tier)).toMatchObject({
      decision: "refused",
      findings: [{ rule: "knownDigest" }],
    });
    expect(judge({}, { origin: "pulled", digest: undefined }, tier).decision).toBe("refused");
    expect(judge({}, { origin: "pulled", digest: "sha256:ab" }, tier).decision).toBe("allowed");
    expect(judge({}, {}, tier).decision).toBe("allowed");
  });

  it("does not let a policy that only warns loosen that", () => {
    expect(judge({ effect: "warn" }, { origin: undefined }, 4).decision).toBe("refused");
  });
});

describe("rules", () => {
  it.each<[string, object, Partial<ImageFacts>]>([
    ["sources", { sources: ["https://git.example.com/you/*"] }, { source: "https://evil/x" }],
    ["sources", { sources: ["https://git.example.com/you/*"] }, { source: undefined }],
    ["provenance", { provenance: true }, { hasProvenance: false }],
    ["bases", { bases: ["debian@*"] }, { bases: ["alpine:3"] }],
    ["bases", { bases: ["debian@*"] }, { bases: undefined }],
    ["pinnedBases", { pinnedBases: true }, { bases: ["debian:12"] }],
    ["pinnedBases", { pinnedBases: true }, { bases: ["debian@sha256:12"] }],
    ["maxAgeDays", { maxAgeDays: 7 }, { createdAt: NOW - 8 * DAY }],
    ["maxAgeDays", { maxAgeDays: 7 }, { createdAt: undefined }],
    [
      "findings",
      { findings: "medium" },
      { findings: [{ rule: "curl-to-shell", severity: "high", line: 3 }] },
    ],
    ["findings", { findings: "low" }, { findings: undefined }],
  ])("%s refuses with its name and a remedy", (rule, rules, facts) => {
    expect(judge({ rules }).decision).toBe("allowed");
    const verdict = judge({ rules }, facts);
    expect(verdict.decision).toBe("refused");
    expect(verdict.findings[0]).toMatchObject({ rule, effect: "refuse" });
    expect(verdict.findings[0]?.remedy).not.toBe("");
    expect(() => requireAdmitted(verdict, "hello:abc")).toThrow(
      expect.objectContaining({
        code: "ERR_TRUST_REFUSED",
        message: expect.stringContaining(`rule ${rule}`),
        hint: verdict.findings[0]?.remedy,
      }),
    );
  });

  it("does not count findings below the threshold", () => {
    const findings = [{ rule: "untagged", severity: "low", line: 1 }] as const;
    expect(judge({ rules: { findings: "high" } }, { findings }).decision).toBe("allowed");
  });

  it("warns where the policy says so, and then refuses nothing", () => {
    const verdict = judge(
      { effect: "warn", rules: { provenance: true } },
      { hasProvenance: false },
    );
    expect(verdict.decision).toBe("warned");
    expect(requireAdmitted(verdict, "hello:abc")).toBe(verdict);
  });

  it("lets a tier ask for more than the others", () => {
    const policy = { effect: "warn", tiers: { 4: { effect: "refuse", provenance: true } } };
    expect(judge(policy, { hasProvenance: false }, 2).decision).toBe("allowed");
    expect(judge(policy, { hasProvenance: false }, 4).decision).toBe("refused");
  });
});

describe("parseAdmissionPolicy", () => {
  it.each<[string, unknown]>([
    ["a misspelt rule", { rules: { sined: true } }],
    ["a misspelt tier", { tiers: { 5: {} } }],
    ["signatures of nobody", { rules: { signed: true } }],
    ["signatures of nobody at one tier", { tiers: { 3: { signed: true } } }],
    ["an empty list, which would refuse all", { rules: { sources: [] } }],
    ["no object", 7],
  ])("refuses %s", (_, value) => {
    expect(() => parseAdmissionPolicy(value)).toThrow(
      expect.objectContaining({ code: "ERR_TRUST_POLICY" }),
    );
  });
});
