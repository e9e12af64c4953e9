import fc from "fast-check";
import { describe, expect, it } from "vitest";

import { giteaError } from "../test/gitea-error.js";
import { branchUrl, encodeRef, parseRepository, templateRepository } from "./repository.js";
import { DEFAULT_TEMPLATE_REPOSITORY_PREFIX } from "@molecule-ai/core";

const name = fc
  .stringMatching(/^[A-Za-z0-9_-][A-Za-z0-9._-]{0,20}$/)
  .filter((text) => !text.endsWith(".git"));
const host = fc.constantFrom("https://git.example", "http://127.0.0.1:3000", "https://[::1]:8443");

describe("parseRepository", () => {
  it("maps the default prefix and a runtime to the branch in the API", () => {
    const repository = templateRepository(DEFAULT_TEMPLATE_REPOSITORY_PREFIX, "claude-code");
    expect(branchUrl(repository, "main")).toBe(
      "https://git.moleculesai.app/api/v1/repos/molecule-ai/molecule-ai-workspace-template-claude-code/branches/main",
    );
    expect(repository.url).toBe(
      "https://git.moleculesai.app/molecule-ai/molecule-ai-workspace-template-claude-code",
    );
  });

  it("finds owner and name behind any base path, host and slashes, with or without .git", () => {
    fc.assert(
      fc.property(
        host,
        fc.array(name, { maxLength: 3 }),
        name,
        name,
        fc.constantFrom("", "/", "//", ".git", ".git/"),
        (origin, base, owner, repo, end) => {
          const basePath = base.map((part) => `/${part}`).join("");
          const repository = parseRepository(`${origin}${basePath}/${owner}/${repo}${end}`);
          expect(repository).toEqual({
            url: `${origin}${basePath}/${owner}/${repo}`,
            origin,
            basePath,
            owner,
            name: repo,
          });
          expect(branchUrl(repository, "main")).toBe(
            `${origin}${basePath}/api/v1/repos/${owner}/${repo}/branches/main`,
          );
          expect(parseRepository(repository.url)).toEqual(repository);
        },
      ),
    );
  });

  it("drops userinfo", () => {
    const repository = parseRepository("https://user:s3cret@git.example/o/n");
    expect(JSON.stringify(repository)).not.toContain("s3cret");
    expect(repository.url).toBe("https://git.example/o/n");
  });

  it.each([
    ["an empty path", "https://git.example"],
    ["a path of slashes", "https://git.example///"],
    ["a path without owner", "https://git.example/only"],
    ["an empty segment", "https://git.example/a//b/c/"],
    ["no URL", "git.example/o/n"],
    ["an ssh address", "ssh://git@git.example/o/n"],
    ["an scp address", "git@git.example:o/n"],
    ["a file", "file:///srv/o/n"],
    ["a query", "https://git.example/o/n?x=1"],
    ["a fragment", "https://git.example/o/n#x"],
    ["a name that is only .git", "https://git.example/o/.git"],
    ["characters no name has", "https://git.example/o/n%2f..%2fx"],
    ["white space", "https://git.example/o/n x"],
  ])("refuses %s", (_, url) => {
    expect(() => parseRepository(url)).toThrow(giteaError("ERR_GITEA_URL_INVALID"));
  });

  it("never shows a password in its error, well-formed URL or not", () => {
    fc.assert(
      fc.property(
        fc.constantFrom("https://user:", "http://", "user:", "ssh://x:", "https://a b:"),
        fc.constantFrom("@git.example", "@git example/o/n?q", "@@/o", "@git.example/o/n#f"),
        (before, after) => {
          try {
            parseRepository(`${before}s3cret-token${after}`);
            expect.unreachable();
          } catch (error) {
            expect(error).toEqual(giteaError("ERR_GITEA_URL_INVALID"));
            expect(JSON.stringify(error)).not.toContain("s3cret-token");
          }
        },
      ),
    );
  });

  it("accepts or refuses any text, and what it accepts stays on its host", () => {
    fc.assert(
      fc.property(fc.oneof(fc.webUrl({ withQueryParameters: true }), fc.string()), (text) => {
        try {
          const repository = parseRepository(text);
          expect(repository.origin).toBe(new URL(text).origin);
          expect(new URL(branchUrl(repository, "main")).origin).toBe(repository.origin);
        } catch (error) {
          expect(error).toEqual(giteaError("ERR_GITEA_URL_INVALID"));
        }
      }),
    );
  });
});

describe("encodeRef", () => {
  it("keeps slashes and encodes all else so that it comes back the same", () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: "grapheme", minLength: 1 }), { minLength: 1 }),
        (parts) => {
          const ref = parts.join("/");
          expect(encodeRef(ref).split("/").map(decodeURIComponent).join("/")).toBe(ref);
          expect(encodeRef(ref)).toMatch(/^[A-Za-z0-9\-_.!~*'()%/]*$/);
        },
      ),
    );
  });
});
