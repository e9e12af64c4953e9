import { expect, test } from "vitest";
import { cacheIdentityFromEnv } from "./cache-identity.js";
import { resolveRepositoryId } from "./repository-id.js";

test("the most deliberate name wins", () => {
  const facts = { projectPath: "o/r", remote: "git@x:o/r.git", rootDirectory: "/w" };
  expect(resolveRepositoryId({ ...facts, configured: "mine" })).toBe("mine");
  expect(resolveRepositoryId(facts)).toBe("o/r");
  expect(resolveRepositoryId({ ...facts, projectPath: "" })).toBe("git@x:o/r.git");
  expect(resolveRepositoryId({ rootDirectory: "/w" })).toBe("/w");
  expect(resolveRepositoryId({})).toBe("unknown");
});

test.each([
  ["https://ci-token:s3cret@host/o/r.git", "https://host/o/r.git"],
  ["https://a@b@host:8443/o/r", "https://host:8443/o/r"],
  ["https://host/o/r@v1", "https://host/o/r@v1"],
  ["ssh://git@host/o/r", "ssh://git@host/o/r"],
  ["git@host:o/r.git", "git@host:o/r.git"],
])(
  "%s names the repository %s: a credential that changes every day is no part of a name",
  (remote, id) => {
    expect(resolveRepositoryId({ remote })).toBe(id);
  },
);

test("the environment: ours before the checkout, the checkout's branch before what CI says", () => {
  const facts = {
    repository: { remote: "git@x:o/r" },
    branch: { git: "dev" },
    defaultBranch: "trunk",
  };
  expect(cacheIdentityFromEnv({}, facts)).toEqual({
    repositoryId: "git@x:o/r",
    branch: "dev",
    defaultBranch: "trunk",
  });
  expect(
    cacheIdentityFromEnv(
      {
        MOLECULE_BUILD_REPOSITORY: "o/r",
        MOLECULE_BUILD_BRANCH: "feat",
        MOLECULE_BUILD_DEFAULT_BRANCH: "main",
        CI_COMMIT_BRANCH: "ci",
      },
      facts,
    ),
  ).toEqual({ repositoryId: "o/r", branch: "feat", defaultBranch: "main" });
  expect(
    cacheIdentityFromEnv({
      CI_PROJECT_PATH: "g/p",
      CI_COMMIT_BRANCH: "ci",
      CI_DEFAULT_BRANCH: "main",
    }),
  ).toEqual({ repositoryId: "g/p", branch: "ci", defaultBranch: "main" });
});
