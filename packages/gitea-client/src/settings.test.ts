import { createRedactor } from "@molecule-ai/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";

import { giteaError } from "../test/gitea-error.js";
import {
  apiAuthorization,
  credentialOfUrl,
  credentialSecret,
  gitAuthorization,
} from "./credential.js";
import { parseRepository } from "./repository.js";
import { credentialFor, giteaSettingsFromEnv } from "./settings.js";

const PREFIX = "MOLECULE_LOCAL_TEMPLATE_REPO_PREFIX";

describe("giteaSettingsFromEnv", () => {
  it("has no credential for the default server unless told", () => {
    const expected = { origin: "https://git.moleculesai.app", credential: undefined };
    expect(giteaSettingsFromEnv({})).toEqual(expected);
    expect(giteaSettingsFromEnv({ MOLECULE_GITEA_TOKEN: " \n", [PREFIX]: "" })).toEqual(expected);
  });

  it("binds the token to the origin of the prefix", () => {
    const settings = giteaSettingsFromEnv({
      MOLECULE_GITEA_TOKEN: "abc123\n",
      [PREFIX]: "https://git.example:8443/sub/fork/template-",
    });
    expect(settings).toEqual({
      origin: "https://git.example:8443",
      credential: { kind: "token", token: "abc123" },
    });
    const at = (url: string): unknown => credentialFor(settings, parseRepository(url));
    expect(at("https://git.example:8443/any/where")).toEqual(settings.credential);
    expect(at("https://git.example/sub/fork")).toBeUndefined();
    expect(at("http://git.example:8443/sub/fork")).toBeUndefined();
    expect(at("https://git.example.evil:8443/sub/fork")).toBeUndefined();
  });

  it("takes userinfo in the prefix only where there is no token", () => {
    const env = { [PREFIX]: "https://oauth2:from-prefix@git.example/o/t-" };
    expect(giteaSettingsFromEnv(env).credential).toEqual({ kind: "token", token: "from-prefix" });
    expect(
      giteaSettingsFromEnv({ ...env, MOLECULE_GITEA_TOKEN: "from-variable" }).credential,
    ).toEqual({ kind: "token", token: "from-variable" });
  });

  it("refuses a token that cannot be sent, without showing it", () => {
    for (const token of ["two words", "line\r\nX-Injected: 1", "gehe\u00efm", "a\0b"]) {
      try {
        giteaSettingsFromEnv({ MOLECULE_GITEA_TOKEN: token });
        expect.unreachable();
      } catch (error) {
        expect(error).toEqual(giteaError("ERR_GITEA_TOKEN_INVALID"));
        expect(JSON.stringify(error)).not.toContain(JSON.stringify(token).slice(1, -1));
      }
    }
  });

  it("refuses a prefix that is no address, without showing what is in it", () => {
    expect(() => giteaSettingsFromEnv({ [PREFIX]: "git@host:o/t-" })).toThrow(
      giteaError("ERR_GITEA_URL_INVALID"),
    );
  });
});

describe("credentials", () => {
  it.each([
    ["https://abc@h/o/n", { kind: "token", token: "abc" }],
    ["https://abc:x-oauth-basic@h/o/n", { kind: "token", token: "abc" }],
    ["https://oauth2:abc@h/o/n", { kind: "token", token: "abc" }],
    ["https://:abc@h/o/n", { kind: "token", token: "abc" }],
    ["https://u%40x:p%3A1@h/o/n", { kind: "password", username: "u@x", password: "p:1" }],
    ["https://h/o/n", undefined],
    ["no url", undefined],
  ])("in %s", (url, credential) => {
    expect(credentialOfUrl(url)).toEqual(credential);
  });

  it("become headers that hold nothing a header cannot, and that a redactor masks", () => {
    const text = fc.string({ unit: "binary", minLength: 6, maxLength: 40 });
    fc.assert(
      fc.property(
        text.filter((secret) => !secret.includes("***")),
        (password) => {
          const credential = { kind: "password", username: "u", password } as const;
          const header = gitAuthorization(credential);
          expect(apiAuthorization(credential)).toBe(header);
          expect(header).toMatch(/^Basic [A-Za-z0-9+/=]+$/);
          const redacted = createRedactor([credentialSecret(credential)]).redact(header);
          expect(redacted).toContain("***");
        },
      ),
    );
  });

  it("are a Basic pair for git and a token for the API", () => {
    const credential = { kind: "token", token: "abc" } as const;
    expect(apiAuthorization(credential)).toBe("token abc");
    expect(gitAuthorization(credential)).toBe(`Basic ${btoa("oauth2:abc")}`);
  });
});
