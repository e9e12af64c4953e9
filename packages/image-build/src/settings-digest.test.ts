import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { digestSettings } from "./settings-digest.js";

describe("digestSettings", () => {
  it("is the same for the same settings, and stays the same over versions", () => {
    expect(digestSettings({})).toBe(
      "sha256:932631b585d80a7c6431d8cfc794783aa37feac542a9dd7bcf4d0b76cf80e0a6",
    );
    expect(digestSettings({ dockerfile: "./Dockerfile", buildArgs: {} })).toBe(digestSettings({}));
    expect(
      digestSettings({
        dockerfile: "a/Dockerfile",
        platform: "linux/amd64",
        target: "run",
        buildArgs: { B: "2", A: "1" },
      }),
    ).toBe("sha256:a90eeea1032e461de5bcb770c277d101e77b5a66f5081be94cb2d77e7053ed52");
  });

  it("does not depend on the order of keys", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.string()), (buildArgs) => {
        const reversed = Object.fromEntries(Object.entries(buildArgs).reverse());
        expect(digestSettings({ buildArgs: reversed })).toBe(digestSettings({ buildArgs }));
      }),
    );
  });

  it("differs when anything that shapes the image differs", () => {
    const all = [
      {},
      { dockerfile: "Dockerfile.dev" },
      { platform: "linux/arm64" },
      { target: "linux/arm64" },
      { buildArgs: { A: "1" } },
      { buildArgs: { A: "2" } },
      { buildArgs: { A: "1", B: "" } },
      { platforms: ["linux/amd64", "linux/arm64"] },
      { rewriteTimestamps: true },
      { annotations: { A: "1" } },
      { attestations: { provenance: "max" as const } },
      { attestations: { sbom: true } },
      { namedContexts: { A: { kind: "image" as const, reference: "a:1" } } },
      { namedContexts: { A: { kind: "image" as const, reference: "a:2" } } },
      { buildArgs: { "A,1": "" } },
    ].map((settings) => digestSettings(settings));
    expect(new Set(all).size).toBe(all.length);
  });
});
