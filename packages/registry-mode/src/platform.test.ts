import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatPlatform, normalisePlatform, parsePlatform, platformDecision } from "./platform.js";

const mac = { hostOs: "darwin", hostArch: "arm64" };
const linuxArm = { hostOs: "linux", hostArch: "arm64" };

describe("platformDecision", () => {
  it("is what the environment says, on every host", () => {
    const env = { MOLECULE_IMAGE_PLATFORM: "linux/arm64" };
    expect(platformDecision({ env, ...mac })).toBe("linux/arm64");
    expect(platformDecision({ env, ...linuxArm })).toBe("linux/arm64");
  });

  it("is the engine's own when the environment says so with an empty value", () => {
    expect(platformDecision({ env: { MOLECULE_IMAGE_PLATFORM: "" }, ...mac })).toBeUndefined();
  });

  it("is linux/amd64 on Apple silicon", () => {
    expect(platformDecision({ env: {}, ...mac })).toBe("linux/amd64");
  });

  it.each([
    linuxArm,
    { hostOs: "linux", hostArch: "x64" },
    { hostOs: "darwin", hostArch: "x64" },
    { hostOs: "win32", hostArch: "arm64" },
  ])("is the engine's own on $hostOs/$hostArch: no foreign image is ever started there", (host) => {
    expect(platformDecision({ env: {}, ...host })).toBeUndefined();
  });

  it.each(["garbage", "linux/", "/amd64", "linux amd64"])(
    "refuses %j instead of building for one platform and starting another",
    (value) => {
      expect(() =>
        platformDecision({ env: { MOLECULE_IMAGE_PLATFORM: value }, ...linuxArm }),
      ).toThrow(expect.objectContaining({ code: "ERR_IMAGE_PLATFORM_INVALID" }));
    },
  );
});

describe("parsePlatform", () => {
  it.each(["", "linux", "linux/", "/amd64", "/", "linux//amd64", "linux/arm/v7/x", "linux/am d64"])(
    "finds none in %j",
    (text) => {
      expect(parsePlatform(text)).toBeUndefined();
    },
  );

  it.each([
    ["linux/amd64", "linux", "amd64", undefined],
    ["linux/arm64", "linux", "arm64", undefined],
    ["linux/amd64/v8", "linux", "amd64", "v8"],
    ["linux/arm/v7", "linux", "arm", "v7"],
    ["linux/x86_64", "linux", "amd64", undefined],
    ["linux/aarch64", "linux", "arm64", undefined],
  ])("reads %s", (text, os, arch, variant) => {
    expect(parsePlatform(text)).toEqual({ os, arch, variant });
  });

  it("is undone by formatPlatform", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc
            .array(fc.stringMatching(/^[a-z0-9][a-z0-9_.-]{0,6}$/), { minLength: 1, maxLength: 4 })
            .map((parts) => parts.join("/")),
        ),
        (text) => {
          const platform = parsePlatform(text);
          fc.pre(platform !== undefined);
          expect(parsePlatform(formatPlatform(platform))).toEqual(platform);
          expect(normalisePlatform(text)).toBe(formatPlatform(platform));
        },
      ),
    );
  });
});
