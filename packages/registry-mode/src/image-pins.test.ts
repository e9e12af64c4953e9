import { describe, expect, it } from "vitest";
import { imagePinsFromEnv } from "./image-pins.js";
import { createRuntimeRegistry } from "./runtimes.js";

const runtimes = createRuntimeRegistry({ extra: ["echo"] });
const A = `sha256:${"a".repeat(64)}`;
const B = `sha256:${"b".repeat(64)}`;

describe("imagePinsFromEnv", () => {
  it("has none when nothing is set", () => {
    expect(imagePinsFromEnv({}, runtimes).size).toBe(0);
    expect(imagePinsFromEnv({ MOLECULE_IMAGE_PINS: " , " }, runtimes).size).toBe(0);
  });

  it("reads a digest by runtime", () => {
    const pins = imagePinsFromEnv(
      { MOLECULE_IMAGE_PINS: `claude-code=${A}, echo=${B},` },
      runtimes,
    );
    expect([...pins]).toEqual([
      ["claude-code", A],
      ["echo", B],
    ]);
  });

  it("has none while the local override is on, and only at exactly 1", () => {
    const env = { MOLECULE_IMAGE_PINS: `hermes=${A}` };
    expect(imagePinsFromEnv({ ...env, WORKSPACE_IMAGE_LOCAL_OVERRIDE: "1" }, runtimes).size).toBe(
      0,
    );
    expect(imagePinsFromEnv({ ...env, WORKSPACE_IMAGE_LOCAL_OVERRIDE: "0" }, runtimes).size).toBe(
      1,
    );
  });

  it.each([
    "hermes",
    `hermes:${A}`,
    "hermes=",
    "hermes=latest",
    `hermes=${"a".repeat(64)}`,
    `hermes=${A},hermes=${B}`,
  ])("refuses %s: a pin is never passed over", (list) => {
    expect(() => imagePinsFromEnv({ MOLECULE_IMAGE_PINS: list }, runtimes)).toThrow(
      expect.objectContaining({ code: "ERR_IMAGE_PINS_INVALID" }),
    );
  });

  it("refuses the pin of an unknown runtime", () => {
    expect(() => imagePinsFromEnv({ MOLECULE_IMAGE_PINS: `hermess=${A}` }, runtimes)).toThrow(
      expect.objectContaining({ code: "ERR_RUNTIME_UNKNOWN" }),
    );
  });
});
