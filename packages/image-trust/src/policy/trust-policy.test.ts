import { generateKeyPairSync } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fingerprintOf, matchesPattern, parseTrustPolicy } from "./trust-policy.js";

const pair = generateKeyPairSync("ec", { namedCurve: "P-256" });
const pem = pair.publicKey.export({ type: "spki", format: "pem" }).toString();
const secretPem = pair.privateKey.export({ type: "pkcs8", format: "pem" }).toString();

describe("parseTrustPolicy", () => {
  it("reads keys, and names a key the same however it is written", () => {
    const policy = parseTrustPolicy({ keys: [{ id: "release", publicKey: pem }] });
    expect(policy.keys.map(({ id }) => id)).toEqual(["release"]);
    expect(policy.keys.map(({ publicKey }) => fingerprintOf(publicKey))).toEqual([
      fingerprintOf(pair.publicKey),
    ]);
    expect(policy).toMatchObject({
      identities: [],
      builders: [],
      sources: [],
      transparency: false,
    });
  });

  it.each<[string, unknown, RegExp]>([
    ["nothing trusted", {}, /nothing could ever pass/],
    ["a misspelt rule", { keys: [{ id: "a", publicKey: pem }], source: [] }, /source/],
    ["a private key", { keys: [{ id: "a", publicKey: secretPem }] }, /private one/],
    ["a key that is none", { keys: [{ id: "a", publicKey: "x" }] }, /no public ECDSA or RSA key/],
    [
      "two keys of one name",
      {
        keys: [
          { id: "a", publicKey: pem },
          { id: "a", publicKey: pem },
        ],
      },
      /same id/,
    ],
    ["identities without a root", { identities: [{ issuer: "i", subject: "s" }] }, /trustedRoot/],
    [
      "a star in the middle",
      { identities: [{ issuer: "i", subject: "a*b" }], trustedRoot: {} },
      /end/,
    ],
    ["no object", "keys", /expected/],
  ])("refuses %s", (_, value, reason) => {
    expect(() => parseTrustPolicy(value)).toThrow(
      expect.objectContaining({ code: "ERR_TRUST_POLICY", message: expect.stringMatching(reason) }),
    );
  });

  it("never throws anything but its own error, and never shows a private key", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        try {
          parseTrustPolicy(value);
        } catch (error) {
          expect(error).toMatchObject({ code: "ERR_TRUST_POLICY" });
        }
      }),
    );
    try {
      parseTrustPolicy({ keys: [{ id: "a", publicKey: secretPem }] });
    } catch (error) {
      expect(JSON.stringify(error)).not.toContain(secretPem.split("\n")[1]);
    }
  });
});

it("takes a pattern exactly, or with any rest", () => {
  expect(matchesPattern("https://git/a", "https://git/a")).toBe(true);
  expect(matchesPattern("https://git/a", "https://git/ab")).toBe(false);
  expect(matchesPattern("https://git/*", "https://git/ab")).toBe(true);
  expect(matchesPattern("https://git/*", "https://evil/https://git/ab")).toBe(false);
});
