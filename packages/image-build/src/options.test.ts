import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { BuildOptions } from "./image-builder.js";
import { checkOptions, resolveLimits } from "./options.js";

const directory = { kind: "directory", path: "/x" } as const;
const check = (options: Partial<BuildOptions>): void =>
  checkOptions({ context: directory, tags: ["a:1"], ...options });
const git = (
  url: string,
  commit = "a".repeat(40),
  subdirectory?: string,
): Partial<BuildOptions> => ({
  context: { kind: "git", url, commit, subdirectory },
});
const secret = (id: string, value = "v"): NonNullable<BuildOptions["secrets"]>[number] => ({
  id,
  source: { kind: "value", value },
});

describe("the options of a build", () => {
  it.each<[string, Partial<BuildOptions>]>([
    ["no tag", { tags: [] }],
    ["a label with an equals sign in its name", { labels: { "a=b": "c" } }],
    ["an annotation without a name", { annotations: { "": "c" } }],
    ["a platform and several", { platform: "linux/amd64", platforms: ["linux/arm64"] }],
    ["no platform of several", { platforms: [] }],
    ["a branch in place of a commit", git("https://h/r.git", "main")],
    ["a short commit", git("https://h/r.git", "abcdef1")],
    ["an address that would be downloaded", git("https://h/r")],
    ["an address with a query", git("https://h/r.git?x=.git")],
    ["an address with a fragment", git("https://h/r.git#main")],
    ["an address with a password", git("https://u:p@h/r.git")],
    ["a token in an address", git("https://token@h/r.git")],
    ["an option for an address", git("--upload-pack=x.git")],
    ["a path for an address", git("/etc/r.git")],
    ["a subdirectory above", git("https://h/r.git", undefined, "../x")],
    ["a subdirectory with a colon", git("https://h/r.git", undefined, "a:b")],
    ["a context name with an equals sign", { namedContexts: { "a=b": directory } }],
    [
      "a named directory that is an address",
      { namedContexts: { a: { kind: "directory", path: "https://x" } } },
    ],
    [
      "a layout without a whole digest",
      { namedContexts: { a: { kind: "oci-layout", path: "/x", digest: "sha256:1" } } },
    ],
    ["a secret whose id ends a field", { secrets: [secret("a,src=/etc/shadow")] }],
    ["the same secret twice", { secrets: [secret("a"), secret("a")] }],
    ["a secret with a zero byte", { secrets: [secret("a", "a\0b")] }],
    ["the same agent twice", { ssh: [{}, { id: "default" }] }],
    ["an agent and keys", { ssh: [{ agentSocket: "/s", keyFiles: ["/k"] }] }],
    ["a key with a comma", { ssh: [{ keyFiles: ["/a,b"] }] }],
    ["a time before 1970", { sourceDateEpoch: -1 }],
  ])("are refused with %s", (_, options) => {
    expect(() => check(options)).toThrow(expect.objectContaining({ code: "ERR_BUILD_OPTIONS" }));
  });

  it.each<[string, Partial<BuildOptions>]>([
    ["a repository over https", git("https://h:8443/o/r.git", "b".repeat(64), "a/b c")],
    ["a repository over ssh with its user", git("ssh://git@h/o/r")],
    ["secrets and agents", { secrets: [secret("npm.rc"), secret("T-1")], ssh: [{}, { id: "k" }] }],
    ["several platforms", { platforms: ["linux/amd64", "linux/arm64/v8"] }],
    ["named contexts", { namedContexts: { "docker.io/library/alpine:3": directory } }],
  ])("may be %s", (_, options) => {
    expect(() => check(options)).not.toThrow();
  });

  it("are refused with nothing but errors of their own, whatever the address is", () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string(), fc.webUrl({ size: "xsmall" })),
        fc.string(),
        (url, commit) => {
          try {
            check(git(url, commit));
          } catch (error) {
            expect(error).toMatchObject({ code: "ERR_BUILD_OPTIONS" });
          }
        },
      ),
    );
  });

  it("have limits above zero", () => {
    expect(() => resolveLimits({ logBytes: 0 })).toThrow("logBytes");
    expect(resolveLimits({ logBytes: 5 }).logBytes).toBe(5);
  });
});
