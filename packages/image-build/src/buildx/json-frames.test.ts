import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createJsonFrames } from "./json-frames.js";

/** Everything that came out, in order, of bytes that were cut into pieces. */
function framesOf(pieces: readonly Uint8Array[], maxBytes?: number): unknown[] {
  const found: unknown[] = [];
  const frames = createJsonFrames({
    maxBytes,
    onValue: (value) => found.push(value),
    onText: (line) => found.push(line),
    onOversized: () => found.push("too long"),
  });
  for (const piece of pieces) frames.write(piece);
  frames.end();
  return found;
}

const of = (text: string, maxBytes?: number): unknown[] => framesOf([Buffer.from(text)], maxBytes);

describe("the frames of a stream of JSON and lines", () => {
  it("finds objects that are indented, that are on one line, and the lines between", () => {
    expect(
      of('WARNING: w\n{\n  "a": "}{\\"",\n  "b": {}\n}\n{"c":1}\n\nERROR: failed {x}\r\nmore'),
    ).toEqual(["WARNING: w", { a: '}{"', b: {} }, { c: 1 }, "ERROR: failed {x}", "more"]);
  });

  it("takes a broken object for lines and finds the next one again", () => {
    expect(of('{"a": "no end\n{"b":2}\n{nothing}\n{"c":3}')).toEqual([
      '{"a": "no end',
      { b: 2 },
      "{nothing}",
      { c: 3 },
    ]);
    expect(of('{"a": [\n')).toEqual(['{"a": [']);
  });

  it("finds objects that stand on one line, or whose end looks like another", () => {
    expect(of('{"a":1}{"b":2} {"c":3}\n{"d":{\n}}\n{\n}{\n}x')).toEqual([
      { a: 1 },
      { b: 2 },
      { c: 3 },
      { d: {} },
      {},
      {},
      "x",
    ]);
  });

  it("drops an object that is too long, tells so once, and goes on", () => {
    const long = JSON.stringify({ a: "x".repeat(200) });
    expect(of(`${long}\n{"b":2}\n`, 100)).toEqual(["too long", { b: 2 }]);
  });

  it("gives the same for every cut", () => {
    const value = fc.dictionary(
      fc.string(),
      fc.oneof(fc.string(), fc.integer(), fc.dictionary(fc.string(), fc.string())),
    );
    const line = fc
      .string({ minLength: 1 })
      .map((text) => `x${text.replace(/[\r\n]/g, "").trimEnd()}`);
    const part = fc.oneof(
      value.map((one) => ({ said: JSON.stringify(one), meant: one as unknown })),
      value.map((one) => ({ said: JSON.stringify(one, null, 2), meant: one as unknown })),
      line.map((one) => ({ said: one, meant: one as unknown })),
    );
    fc.assert(
      fc.property(fc.array(part), fc.integer({ min: 1, max: 50 }), (parts, size) => {
        const bytes = Buffer.from(parts.map(({ said }) => `${said}\n`).join(""));
        const pieces: Buffer[] = [];
        for (let at = 0; at < bytes.length; at += size) pieces.push(bytes.subarray(at, at + size));
        expect(framesOf(pieces)).toEqual(
          parts.map(({ meant }) => JSON.parse(JSON.stringify(meant)) as unknown),
        );
      }),
    );
  });

  it("never throws, whatever the bytes are", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 100 })), (pieces) => {
        framesOf(pieces, 64);
      }),
    );
  });

  it.each([
    ["open braces", "{".repeat(1_000_000)],
    ["open strings", '{"'.repeat(500_000)],
    ["open strings with line ends", '{"\n'.repeat(300_000)],
    ["objects that end in a string", '{\n"\n'.repeat(250_000)],
    ["objects that end in a string, and one that does not", `${'{\n"\n'.repeat(250_000)}\n}`],
    ["empty objects", "{}".repeat(500_000)],
  ])("takes a megabyte of %s in time linear in its length", (_, text) => {
    const before = performance.now();
    of(text);
    expect(performance.now() - before).toBeLessThan(15_000);
  });
});
