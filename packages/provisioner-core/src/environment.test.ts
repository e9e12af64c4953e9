import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { buildEnvironment, RESERVED_ENV_NAMES, validateEnvironment } from "./environment.js";

const base = {
  id: "ws-abc123",
  tier: 2,
  platformUrl: "http://host.docker.internal:8080",
  awarenessUrl: undefined,
  awarenessNamespace: undefined,
  tierEnvironment: {},
  user: {},
};

describe("buildEnvironment", () => {
  it("tells a workspace about itself in a fixed order, the user's entries last", () => {
    expect(
      buildEnvironment({
        ...base,
        awarenessUrl: "http://aware",
        awarenessNamespace: "team",
        tierEnvironment: { TMPDIR: "/var/tmp" },
        user: { CUSTOM: "1", PYTHONPATH: "/custom:/app" },
      }),
    ).toEqual([
      "WORKSPACE_ID=ws-abc123",
      "WORKSPACE_CONFIG_PATH=/configs",
      "PLATFORM_URL=http://host.docker.internal:8080",
      "MOLECULE_URL=http://host.docker.internal:8080",
      "TIER=2",
      "PLUGINS_DIR=/plugins",
      "PYTHONPATH=/app",
      "AWARENESS_NAMESPACE=team",
      "AWARENESS_URL=http://aware",
      "TMPDIR=/var/tmp",
      "CUSTOM=1",
      "PYTHONPATH=/custom:/app",
    ]);
  });

  it.each(["http://a", "https://b:1", "http://host.docker.internal:8080", "http://[::1]:9"])(
    "gives PLATFORM_URL and MOLECULE_URL the same value %s",
    (platformUrl) => {
      const env = buildEnvironment({ ...base, platformUrl });
      expect(env).toContain(`PLATFORM_URL=${platformUrl}`);
      expect(env).toContain(`MOLECULE_URL=${platformUrl}`);
    },
  );

  it.each([
    ["http://aware", undefined],
    [undefined, "team"],
    ["", "team"],
    ["http://aware", ""],
  ])("leaves awareness out unless both halves are given (%s, %s)", (url, namespace) => {
    const env = buildEnvironment({ ...base, awarenessUrl: url, awarenessNamespace: namespace });
    expect(env.filter((entry) => entry.startsWith("AWARENESS_"))).toEqual([]);
  });
});

describe("validateEnvironment", () => {
  it.each(RESERVED_ENV_NAMES)("refuses the reserved name %s as variable and as secret", (name) => {
    const error = expect.objectContaining({ code: "ERR_WORKSPACE_ENV_RESERVED" });
    expect(() => validateEnvironment({ env: { [name]: "x" } })).toThrow(error);
    expect(() => validateEnvironment({ secrets: { [name]: "x" } })).toThrow(error);
  });

  it("lets the user override PYTHONPATH and PLUGINS_DIR", () => {
    validateEnvironment({ env: { PYTHONPATH: "/custom:/app", PLUGINS_DIR: "/x" } });
  });

  it.each([
    ["a newline", { A: "x\ny" }],
    ["a carriage return", { A: "x\ry" }],
    ["a NUL", { A: "x\0y" }],
    ["half a surrogate pair", { A: "\ud800" }],
    ["an empty name", { "": "x" }],
    ["an equals sign in a name", { "A=B": "x" }],
    ["a newline in a name", { "A\nB": "x" }],
  ])("refuses %s", (_, env) => {
    expect(() => validateEnvironment({ env })).toThrow(
      expect.objectContaining({ code: "ERR_WORKSPACE_ENV_INVALID" }),
    );
  });

  it("takes line breaks in secrets", () => {
    validateEnvironment({ secrets: { KEY: "-----BEGIN\nx\n-----END\n" } });
  });

  it.each(["1A", "A-B", "A.B", "PPID", "IFS", "UID", "OPTIND", "_"])(
    "refuses %s as the name of a secret, which a shell has to export",
    (name) => {
      expect(() => validateEnvironment({ secrets: { [name]: "x" } })).toThrow(
        expect.objectContaining({ code: "ERR_WORKSPACE_ENV_INVALID" }),
      );
    },
  );

  it("refuses what is both a secret and a plain variable", () => {
    expect(() => validateEnvironment({ env: { A: "1" }, secrets: { A: "2" } })).toThrow(
      expect.objectContaining({ code: "ERR_WORKSPACE_ENV_INVALID" }),
    );
  });

  it("refuses a variable longer than the kernel takes, to the byte", () => {
    const longest = 128 * 1024 - "A=".length - 1;
    validateEnvironment({ env: { A: "x".repeat(longest) } });
    for (const kind of ["env", "secrets"] as const) {
      expect(() => validateEnvironment({ [kind]: { A: "x".repeat(longest + 1) } })).toThrow(
        expect.objectContaining({ code: "ERR_WORKSPACE_ENV_TOO_LARGE" }),
      );
    }
    expect(() => validateEnvironment({ env: { A: "x".repeat(200 * 1024) } })).toThrow(
      expect.objectContaining({ code: "ERR_WORKSPACE_ENV_TOO_LARGE" }),
    );
  });

  it("refuses more than a megabyte altogether", () => {
    const env = Object.fromEntries(
      Array.from({ length: 11 }, (_, index) => [`A${index}`, "x".repeat(100_000)]),
    );
    expect(() => validateEnvironment({ env })).toThrow(
      expect.objectContaining({ code: "ERR_WORKSPACE_ENV_TOO_LARGE" }),
    );
  });

  it("never puts a value into its error", () => {
    fc.assert(
      fc.property(fc.string({ minLength: 12, maxLength: 40 }), (value) => {
        const marked = `s3cr3t-${value}\n`;
        try {
          validateEnvironment({ env: { A: marked } });
        } catch (error) {
          expect(JSON.stringify(error)).not.toContain("s3cr3t-");
          return;
        }
        throw new Error("it was taken");
      }),
    );
  });
});
