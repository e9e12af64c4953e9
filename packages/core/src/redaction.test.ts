import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createRedactor, redactUserinfo } from "./redaction.js";

/** Secrets as people have them: long enough to be masked, any bytes. */
const secret = fc
  .string({ minLength: 8, maxLength: 64, unit: "binary" })
  .map((text) => `k9${Buffer.from(text).toString()}Zq`)
  .filter((text) => text.trim().length >= 8 && !text.includes("*"));

describe("createRedactor", () => {
  it("masks the literal secret wherever it stands", () => {
    fc.assert(
      fc.property(secret, fc.string(), fc.string(), (value, before, after) => {
        const redactor = createRedactor([value]);
        expect(redactor.redact(`${before}${value}${after}`)).not.toContain(value);
      }),
    );
  });

  it("masks the percent-encoded form, upper and lower case", () => {
    fc.assert(
      fc.property(secret, (value) => {
        const redactor = createRedactor([value]);
        const encoded = encodeURIComponent(value);
        expect(redactor.redact(`q=${encoded}&x`)).toBe("q=***&x");
        const lower = encoded.replace(/%[0-9A-F]{2}/g, (byte) => byte.toLowerCase());
        expect(redactor.redact(`q=${lower}&x`)).toBe("q=***&x");
      }),
    );
  });

  it("masks base64 and base64url at every byte offset, as in a Basic header", () => {
    fc.assert(
      fc.property(secret, fc.string({ maxLength: 5, unit: "grapheme-ascii" }), (value, user) => {
        const redactor = createRedactor([value]);
        for (const encoding of ["base64", "base64url"] as const) {
          const header = Buffer.from(`${user}:${value}`).toString(encoding);
          const masked = redactor.redact(header);
          expect(masked).toContain("***");
          const readable = Buffer.from(masked.replaceAll("***", ""), encoding).toString();
          expect(readable).not.toContain(value);
        }
      }),
    );
  });

  it("masks a secret that a control character was put into", () => {
    const redactor = createRedactor(["correct-horse-battery"]);
    expect(redactor.redact("correct-\u001b[31mhorse\u0000-battery")).toBe("***");
  });

  it("masks every long line of a secret with several lines", () => {
    const redactor = createRedactor(["-----BEGIN KEY-----\nMIIEvQIBADANBgkq\nab\n"]);
    expect(redactor.redact("it says MIIEvQIBADANBgkq here")).toBe("it says *** here");
    expect(redactor.redact("ab stays")).toBe("ab stays");
  });

  it("masks the JSON-escaped form", () => {
    const redactor = createRedactor(['pa"ss\\word\n1']);
    expect(redactor.redact(JSON.stringify({ key: 'pa"ss\\word\n1' }))).toBe('{"key":"***"}');
  });

  it("masks the longer secret whole when one contains the other", () => {
    const redactor = createRedactor(["token-abc", "token-abc-def"]);
    expect(redactor.redact("<token-abc-def>")).toBe("<***>");
  });

  it("masks a secret of 64 KiB, and a thousand of them", () => {
    const redactor = createRedactor(["k".repeat(65_536)]);
    expect(redactor.redact(`<${"k".repeat(65_536)}>`)).toBe("<***>");
    for (let n = 0; n < 1000; n += 1) redactor.add(`secret-number-${n}-of-many`);
    expect(redactor.redact("secret-number-7-of-many secret-number-999-of-many")).toBe("*** ***");
  });

  it("finds what a search for each secret finds, the longest first", () => {
    const word = fc.string({ minLength: 4, maxLength: 8, unit: fc.constantFrom("a", "b") });
    fc.assert(
      fc.property(fc.array(word, { minLength: 1, maxLength: 5 }), word, word, (words, one, two) => {
        const longestFirst = [...words].sort((a, b) => b.length - a.length);
        expect(createRedactor(words).redact(`${one}.${two}`)).toBe(
          `${one}.${two}`.replace(new RegExp(longestFirst.join("|"), "g"), "***"),
        );
      }),
    );
  });

  it("keeps the newest secrets when there are more than it may remember", () => {
    const redactor = createRedactor([], { mostCharacters: 20_000 });
    const name = (n: number): string => `secret-number-${n}-of-many`;
    redactor.add("stays-because-it-is-used");
    for (let n = 0; n < 1000; n += 1) {
      redactor.add(name(n));
      redactor.add("stays-because-it-is-used");
    }
    expect(redactor.redact(name(0))).toBe(name(0));
    expect(redactor.redact(`${name(999)} stays-because-it-is-used`)).toBe("*** ***");
  });

  it("leaves text alone when the token is empty, too short or absent", () => {
    expect(createRedactor([""]).redact("plain text")).toBe("plain text");
    expect(createRedactor(["abc"]).redact("abc abc")).toBe("abc abc");
    expect(createRedactor(["absent-token"]).redact("plain text")).toBe("plain text");
  });
});

describe("redactUserinfo", () => {
  it.each([
    ["https://u:p@h/x", "https://***@h/x"],
    ["https://h/x", "https://h/x"],
    ["https://h/a@b", "https://h/a@b"],
    ["::not a url::", "::not a url::"],
    ["clone of ssh://git@h:22/x failed", "clone of ssh://***@h:22/x failed"],
    ["http://u:p@ss@h/x", "http://***@h/x"],
  ])("%s becomes %s", (input, output) => {
    expect(redactUserinfo(input)).toBe(output);
  });

  it("is linear on hostile input", () => {
    const hostile = "a://".repeat(20_000);
    expect(redactUserinfo(hostile)).toBe(hostile);
    const word = "x".repeat(1_000_000);
    expect(redactUserinfo(word)).toBe(word);
  });
});
