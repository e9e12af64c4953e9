import fc from "fast-check";
import { expect, it } from "vitest";
import { stripControlCharacters } from "./control-characters.js";

it.each([
  ["\u001b[31mred\u001b[0m", "red"],
  ["\u001b]0;title\u0007text", "text"],
  ["\u001b]8;;https://x\u001b\\link\u001b]8;;\u001b\\", "link"],
  ["\u009b31mred", "red"],
  ["tab\tnewline\nCRLF\r\n", "tab\tnewline\nCRLF\n"],
  ["user\u202egpj.exe", "usergpj.exe"],
  ["nul\u0000bell\u0007del\u007f", "nulbelldel"],
])("%j becomes %j", (input, output) => {
  expect(stripControlCharacters(input)).toBe(output);
});

it("leaves no control character in any text, and does nothing the second time", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      const clean = stripControlCharacters(text);
      // oxlint-disable-next-line no-control-regex
      expect(clean).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e]/);
      expect(stripControlCharacters(clean)).toBe(clean);
    }),
  );
});
