import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseChallenges } from "./challenge.js";

const plain = (header: string | string[] | undefined) =>
  parseChallenges(header).map(({ scheme, parameters }) => [scheme, Object.fromEntries(parameters)]);

describe("parseChallenges", () => {
  it.each([
    [
      'Bearer realm="https://ghcr.io/token",service="ghcr.io",scope="repository:a/b:pull,push"',
      [
        [
          "bearer",
          { realm: "https://ghcr.io/token", service: "ghcr.io", scope: "repository:a/b:pull,push" },
        ],
      ],
    ],
    ['BASIC Realm = "a \\"b\\" c"', [["basic", { realm: 'a "b" c' }]]],
    [
      'Negotiate, Bearer realm=https, service="s", Basic realm="x"',
      [
        ["negotiate", {}],
        ["bearer", { realm: "https", service: "s" }],
        ["basic", { realm: "x" }],
      ],
    ],
    ['Bearer realm="first",realm="second"', [["bearer", { realm: "first" }]]],
    [
      'Bearer realm="never ends',
      [
        ["bearer", {}],
        ["never", {}],
        ["ends", {}],
      ],
    ],
    ['realm="nobody"', []],
    ["", []],
    [undefined, []],
    [
      ['Basic realm="a"', 'Bearer realm="b"'],
      [
        ["basic", { realm: "a" }],
        ["bearer", { realm: "b" }],
      ],
    ],
  ])("%j", (header, expected) => {
    expect(plain(header)).toEqual(expected);
  });

  it("reads back what was written", () => {
    const word = fc.stringMatching(/^[A-Za-z][A-Za-z0-9-]{0,11}$/);
    const challenge = fc.tuple(
      word,
      fc.dictionary(word, fc.string({ maxLength: 40 }), {
        noNullPrototype: true,
        minKeys: 1,
        maxKeys: 4,
      }),
    );
    const quote = (text: string) => `"${text.replace(/["\\]/g, "\\$&")}"`;
    fc.assert(
      fc.property(fc.array(challenge, { minLength: 1, maxLength: 4 }), (challenges) => {
        const header = challenges
          .map(
            ([scheme, parameters]) =>
              `${scheme} ${Object.entries(parameters)
                .map(([name, value]) => `${name}=${quote(value)}`)
                .join(", ")}`,
          )
          .join(", ");
        const lowered = challenges.map(([scheme, parameters]) => {
          const first = new Map<string, string>();
          for (const [name, value] of Object.entries(parameters)) {
            if (!first.has(name.toLowerCase())) first.set(name.toLowerCase(), value);
          }
          return [scheme.toLowerCase(), Object.fromEntries(first)];
        });
        expect(plain(header)).toEqual(lowered);
      }),
    );
  });

  it("never fails, and takes no longer for what is long", () => {
    fc.assert(fc.property(fc.string(), (text) => void parseChallenges(text)));
    const started = performance.now();
    for (const piece of ['"', "=", ",", "a", 'a="', "\\", 'Bearer a="\\']) {
      parseChallenges(piece.repeat(1_000_000));
    }
    expect(performance.now() - started).toBeLessThan(15_000);
  });
});
