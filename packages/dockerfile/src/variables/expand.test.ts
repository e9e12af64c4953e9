import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { expand, MAX_VALUE_LENGTH } from "./expand.js";

const VALUES: Readonly<Record<string, string>> = { A: "one", E: "", V: "v1.2.3", P: "a/b/a" };
const lookup = (name: string): string | undefined =>
  Object.hasOwn(VALUES, name) ? VALUES[name] : undefined;

describe("expand", () => {
  it.each([
    ["$A-${A}", "one-one"],
    ["\"$A\" '$A' \\$A", "one $A $A"],
    ["${N:-x}${E:-y}${E-z}${A:-w}", "xyone"],
    ["${A:+x}${E:+y}${E+z}${N+w}", "xz"],
    ["${N:-${M:-$A}}", "one"],
    ["${V#v}", "1.2.3"],
    ["${V%.3}", "v1.2"],
    ["${P/a/x} ${P//a/x}", "x/b/a x/b/x"],
    ["${V#*.}", "${V#*.}"],
    ["$N ${N} ${ $ $1 ${", "$N ${N} ${ $ $1 ${"],
    ["${A:?must}", "one"],
  ])("%s becomes %s", (text, expected) => {
    expect(expand(text, lookup).text).toBe(expected);
  });

  it("tells what it found and what it missed", () => {
    expect(expand("$A${N}${M:-x}", lookup)).toEqual({
      text: "one${N}x",
      found: [{ name: "A", value: "one" }],
      missing: ["N"],
    });
  });

  it("never throws, and its result is bounded", () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(..."${}:-+#%/AN'\"\\ ") }), (text) => {
        expect(expand(text, lookup).text.length).toBeLessThanOrEqual(MAX_VALUE_LENGTH);
      }),
    );
  });
});
