import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { tokenUrl } from "./registry-token.js";

describe("tokenUrl", () => {
  it("asks the realm for the right to pull", () => {
    expect(tokenUrl('Bearer realm="https://ghcr.io/token",service="ghcr.io"', "org/x")).toBe(
      "https://ghcr.io/token?service=ghcr.io&scope=repository%3Aorg%2Fx%3Apull",
    );
    expect(tokenUrl('bearer service="s", realm="http://a/b?c=d"', "x")).toBe(
      "http://a/b?c=d&service=s&scope=repository%3Ax%3Apull",
    );
  });

  it.each([
    undefined,
    'Basic realm="https://ghcr.io/token"',
    "Bearer",
    'Bearer service="x"',
    'Bearer realm="file:///etc/passwd"',
    'Bearer realm="https://"',
  ])("has nobody to ask for %s", (challenge) => {
    expect(tokenUrl(challenge, "x")).toBeUndefined();
  });

  it("never fails, and never asks anything but a web server", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(tokenUrl(`Bearer realm="${text}"`, "x") ?? "http://").toMatch(/^https?:\/\//);
      }),
    );
  });
});
