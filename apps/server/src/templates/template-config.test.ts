import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { findMissingEnv, MOST_CONFIG_BYTES, parseTemplateConfig } from "./template-config.js";

const yaml = (text: string): Uint8Array => Buffer.from(text, "utf8");

describe("parseTemplateConfig", () => {
  it("reads what the server needs and leaves the rest to the agent", () => {
    const config = parseTemplateConfig(
      yaml(
        [
          "name: Researcher",
          "description: Reads",
          "runtime: hermes",
          "tier: 3",
          "skills: [a, b]",
          "runtime_config:",
          "  model: gpt",
          "  required_env: [KEY_A, KEY_B]",
          "  provision_timeout_seconds: 90",
        ].join("\n"),
      ),
    );
    expect(config).toEqual({
      name: "Researcher",
      description: "Reads",
      runtime: "hermes",
      model: "gpt",
      tier: 3,
      requiredEnv: ["KEY_A", "KEY_B"],
      provisionTimeoutMs: 90_000,
    });
  });

  it("takes a field of another type for absent", () => {
    const config = parseTemplateConfig(
      yaml("name: 7\ntier: high\nruntime_config:\n  provision_timeout_seconds: soon\n"),
    );
    expect(config).toMatchObject({
      name: undefined,
      tier: undefined,
      provisionTimeoutMs: undefined,
    });
    expect(parseTemplateConfig(yaml("runtime_config: none"))).toMatchObject({ requiredEnv: [] });
  });

  it("is undefined for what is no mapping, no YAML, too long or swollen by aliases", () => {
    const bomb = ["a: &a [x,x,x,x,x,x,x,x,x,x]"];
    for (const [name, of] of ["ba", "cb", "dc", "ed", "fe"].map((pair) => [...pair])) {
      bomb.push(`${name}: &${name} [${Array<string>(10).fill(`*${of}`).join(",")}]`);
    }
    for (const text of ["- a", "plain", "", "a: [", "a: \t b: c: d", bomb.join("\n")]) {
      expect(parseTemplateConfig(yaml(text)), text).toBeUndefined();
    }
    expect(parseTemplateConfig(new Uint8Array(MOST_CONFIG_BYTES + 1))).toBeUndefined();
  });

  it("never throws, whatever the bytes are", () => {
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 400 }), fc.string().map(yaml)), (bytes) => {
        parseTemplateConfig(bytes);
      }),
    );
  });
});

it("takes one of two equal keys, and does not compare every key with every other", () => {
  expect(parseTemplateConfig(yaml("name: a\nname: a\ntier: 1\n"))).toMatchObject({
    name: "a",
    tier: 1,
  });
});

describe("findMissingEnv", () => {
  const required = yaml("runtime_config:\n  required_env: [A, B]\n");

  it("names each variable that is absent or empty, once", () => {
    expect(findMissingEnv(required, { A: "1", B: "2" })).toEqual([]);
    expect(findMissingEnv(required, { A: "1" })).toEqual(["B"]);
    expect(findMissingEnv(required, { A: "", B: "2" })).toEqual(["A"]);
    expect(findMissingEnv(yaml("runtime_config: {required_env: [A, A]}"), {})).toEqual(["A"]);
    expect(findMissingEnv(yaml("runtime_config: {required_env: [toString]}"), {})).toEqual([
      "toString",
    ]);
  });

  it("misses nothing where nothing is declared, or nothing can be read", () => {
    expect(findMissingEnv(yaml(""), {})).toEqual([]);
    expect(findMissingEnv(yaml("name: a"), {})).toEqual([]);
    expect(findMissingEnv(yaml("runtime_config: {required_env: ["), {})).toEqual([]);
  });
});
