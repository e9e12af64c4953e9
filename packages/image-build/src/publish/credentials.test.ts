import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { credentialOfPrefix, resolveLogins } from "./credentials.js";

const target = (url: string, credentials?: string, provider?: string) => ({
  url,
  path: "a",
  tags: ["1"],
  credentials,
  provider,
});

describe("credentialOfPrefix", () => {
  it("takes a token before passwords, and empty for unset", () => {
    const env = { P_USER: "u", P_TOKEN: "", P_PASS: "b", P_PASSWORD: "c" };
    expect(credentialOfPrefix("p", env)).toMatchObject({ secret: "b", secretVariable: "P_PASS" });
    expect(credentialOfPrefix("p", { ...env, P_TOKEN: "a" })).toMatchObject({
      secret: "a",
      kind: "token",
    });
    expect(credentialOfPrefix("p", { P_USER: "" }).user).toBeUndefined();
  });

  it("never fails", () => {
    fc.assert(
      fc.property(fc.string(), fc.dictionary(fc.string(), fc.string()), (prefix, env) => {
        credentialOfPrefix(prefix, env);
      }),
    );
  });
});

describe("resolveLogins", () => {
  it("logs in to every registry of all steps, each once", () => {
    const env = { A_USER: "a", A_TOKEN: "x", B_USER: "b", B_PASSWORD: "yyyy" };
    const { logins, warnings } = resolveLogins(
      [
        target("https://R.io/", "a"),
        target("r.io", "A"),
        target("docker.io", "b"),
        target("open.io"),
      ],
      env,
    );
    expect(logins.map(({ host, origin }) => [host, origin])).toEqual([
      ["r.io", "a"],
      ["docker.io", "b"],
    ]);
    expect(warnings).toMatchObject([{ code: "WARN_REGISTRY_PASSWORD" }]);
    expect(JSON.stringify(warnings)).not.toContain("yyyy");
  });

  it("refuses two credentials for one registry, and a user that no registry could read", () => {
    const env = {
      A_USER: "a",
      A_TOKEN: "x",
      B_USER: "b",
      B_TOKEN: "y",
      C_USER: "c:d",
      C_TOKEN: "z",
    };
    for (const targets of [[target("r.io", "a"), target("r.io", "b")], [target("r.io", "c")]]) {
      expect(() => resolveLogins(targets, env)).toThrow(
        expect.objectContaining({ code: "ERR_PUSH_CREDENTIALS" }),
      );
    }
  });
});
