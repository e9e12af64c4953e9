import fc from "fast-check";
import { expect, it } from "vitest";
import { parseSecretsKey } from "./secret-key.js";

const key = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes));

it("reads every key as hexadecimal, base64 and base64url, with and without padding", () => {
  fc.assert(
    fc.property(key, (bytes) => {
      for (const text of [
        bytes.toString("hex"),
        bytes.toString("hex").toUpperCase(),
        bytes.toString("base64"),
        bytes.toString("base64").replace("=", ""),
        bytes.toString("base64url"),
        `${bytes.toString("base64url")}=`,
      ]) {
        expect(parseSecretsKey(text)?.equals(bytes)).toBe(true);
      }
    }),
  );
});

it("takes exactly 32 printable ASCII characters as they are", () => {
  expect(parseSecretsKey("0123456789abcdef0123456789abcdef")?.toString("ascii")).toBe(
    "0123456789abcdef0123456789abcdef",
  );
  expect(parseSecretsKey("correct horse battery staple !!!")).toHaveLength(32);
});

it("refuses any other text, and never gives a key of another length", () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.string({ unit: "binary", maxLength: 70 })), (text) => {
      const parsed = parseSecretsKey(text);
      if (parsed === undefined) expect(/^[\x20-\x7e]{32}$/.test(text)).toBe(false);
      else expect(parsed).toHaveLength(32);
    }),
  );
});

it.each([
  ["nothing", ""],
  ["31 characters", "a".repeat(31)],
  ["33 characters", "a".repeat(33)],
  ["32 characters of which one is not ASCII", `${"a".repeat(31)}é`],
  ["63 hexadecimal digits", "a".repeat(63)],
  ["a line break after 64 digits", `${"a".repeat(64)}\n`],
  ["base64 with bits left over", `${"A".repeat(42)}B`],
  ["base64 of two alphabets", `+_${"A".repeat(41)}`],
])("refuses %s", (_name, text) => {
  expect(parseSecretsKey(text)).toBeUndefined();
});
