import fc from "fast-check";
import { expect, it } from "vitest";
import { isStorable } from "./stored-json.js";

function nested(levels: number): unknown {
  let value: unknown = 1;
  for (let n = 0; n < levels; n++) value = n % 2 === 0 ? [value] : { a: value };
  return value;
}

it("takes any JSON whose texts a database can keep", () => {
  fc.assert(
    fc.property(fc.json({ maxDepth: 10 }), (text) => {
      const isFree = !/\\u0000|\\ud[89a-f]/i.test(JSON.stringify(JSON.parse(text)));
      expect(isStorable(JSON.parse(text))).toBe(isFree);
    }),
  );
});

it.each([
  ["a NUL character in a text", { a: ["b\0"] }],
  ["a NUL character in a name", { "a\0": 1 }],
  ["half a surrogate pair", ["\ud83d"]],
  ["33 levels", nested(33)],
  ["levels without end", nested(200_000)],
])("refuses %s", (_what, value) => {
  expect(isStorable(value)).toBe(false);
});

it("takes 32 levels, and whole surrogate pairs", () => {
  expect(isStorable(nested(32))).toBe(true);
  expect(isStorable("😀")).toBe(true);
});
