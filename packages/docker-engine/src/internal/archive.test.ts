import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodePathStat } from "./archive.js";

const encode = (stat: unknown): string => Buffer.from(JSON.stringify(stat)).toString("base64");
const base = { name: "x", size: 1, mtime: "2026-01-02T03:04:05Z", linkTarget: "" };

describe("decodePathStat", () => {
  it.each([
    ["file", 0o644],
    ["file", 0o644 + 0x0080_0000],
    ["directory", 0o755 + 0x8000_0000],
    ["directory", 0o777 + 0x8000_0000 + 0x0010_0000],
    ["symlink", 0o777 + 0x0800_0000],
    ["other", 0o666 + 0x0400_0000 + 0x0020_0000],
    ["other", 0o600 + 0x0200_0000],
    ["other", 0o600 + 0x0100_0000],
  ])("knows a %s by mode %i", (kind, mode) => {
    expect(decodePathStat(encode({ ...base, mode }), "Look")).toMatchObject({
      kind,
      mode,
      sizeBytes: 1,
      modifiedAt: Date.UTC(2026, 0, 2, 3, 4, 5),
    });
  });

  it("fails with its own error on any other header", () => {
    for (const header of [undefined, "", "%%%", encode({}), encode(null)]) {
      expect(() => decodePathStat(header, "Look")).toThrow(
        expect.objectContaining({ code: "ERR_ENGINE_PROTOCOL" }) as Error,
      );
    }
    fc.assert(
      fc.property(fc.string(), (header) => {
        expect(() => decodePathStat(header, "Look")).toThrow(
          expect.objectContaining({ code: "ERR_ENGINE_PROTOCOL" }) as Error,
        );
      }),
    );
  });
});
