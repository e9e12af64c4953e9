import type { GiteaFlavour } from "@molecule-ai/testkit";
import { describe, expect, it } from "vitest";

import { giteaError } from "./gitea-error.js";
import { startClient, startServer, TOKEN } from "./servers.js";

const FIRST_COMMIT_AT = Date.UTC(2026, 0, 1);

describe.each<{ flavour: GiteaFlavour; basePath: string }>([
  { flavour: "gitea", basePath: "" },
  { flavour: "forgejo", basePath: "/code" },
  { flavour: "gogs", basePath: "/a/b" },
])("on $flavour below '$basePath'", ({ flavour, basePath }) => {
  const start = async (repository: object = {}) => {
    const started = await startServer({ flavour, basePath, token: TOKEN, repository });
    return { ...started, client: startClient({ token: TOKEN, server: started.server }) };
  };

  it("learns the head of main in one call, with the commit time", async () => {
    const { server, git, repository, client } = await start();
    expect(await client.resolveHead(repository)).toEqual({
      repository,
      ref: "main",
      sha: await git.head(),
      committedAt: FIRST_COMMIT_AT,
    });
    expect(server.requests.map(({ method, path }) => `${method} ${path}`)).toEqual([
      `GET ${basePath}/api/v1/repos/molecule-ai/template-echo/branches/main`,
    ]);
  });

  it("takes the default branch of a repository that has no main", async () => {
    const { server, git, repository, client } = await start({ defaultBranch: "master" });
    expect(await client.resolveHead(repository)).toMatchObject({
      ref: "master",
      sha: await git.head(),
    });
    expect(server.requests).toHaveLength(3);
  });

  it("resolves a chosen branch, also with slashes", async () => {
    const { git, repository, client } = await start();
    const sha = await git.commit({ a: "1" }, { branch: "feature/x#y%41" });
    for (const ref of ["feature/x#y%41", "refs/heads/feature/x#y%41"]) {
      expect(await client.resolveHead(repository, { ref })).toMatchObject({ sha });
    }
  });

  it("resolves a chosen tag to its commit, also an annotated one", async () => {
    const { git, repository, client } = await start();
    const sha = await git.head();
    await git.tag("v1");
    await git.tag("v2", { message: "second" });
    await git.commit({ a: "1" });
    for (const ref of ["v1", "v2", "refs/tags/v2"]) {
      const head = await client.resolveHead(repository, { ref });
      expect(head).toMatchObject({ sha, committedAt: FIRST_COMMIT_AT });
    }
  });

  it("verifies that a chosen commit exists", async () => {
    const { git, repository, client } = await start();
    const sha = await git.head();
    await git.commit({ a: "1" });
    expect(await client.resolveHead(repository, { ref: sha.toUpperCase() })).toEqual({
      repository,
      ref: sha,
      sha,
      committedAt: FIRST_COMMIT_AT,
    });
    await expect(client.resolveHead(repository, { ref: "0".repeat(40) })).rejects.toEqual(
      giteaError("ERR_GITEA_REF_NOT_FOUND"),
    );
  });

  it("says which branch or tag does not exist, and that the repository does", async () => {
    const { repository, client } = await start();
    for (const ref of ["nope", "refs/heads/nope", "refs/tags/nope"]) {
      await expect(client.resolveHead(repository, { ref })).rejects.toMatchObject({
        code: "ERR_GITEA_REF_NOT_FOUND",
        message: expect.stringContaining("nope"),
      });
    }
  });

  it("tells an empty repository from one that is not there", async () => {
    const { server, repository, client } = await start({ files: undefined });
    await expect(client.resolveHead(repository)).rejects.toEqual(
      giteaError("ERR_GITEA_REF_NOT_FOUND"),
    );
    const other = { ...repository, name: "other", url: `${server.baseUrl}/molecule-ai/other` };
    for (const ref of [undefined, "v1", "0".repeat(40)]) {
      await expect(client.resolveHead(other, { ref })).rejects.toMatchObject({
        code: "ERR_GITEA_NOT_FOUND",
        message: expect.stringContaining(other.url),
        hint: expect.stringContaining("may not be mirrored"),
      });
    }
  });

  it("learns the tree of a commit where the server tells it", async () => {
    const { git, repository, client } = await start();
    const sha = await git.head();
    expect(await client.commitTree(repository, sha)).toBe(
      flavour === "gogs" ? undefined : await git.tree(sha),
    );
    expect(await client.commitTree(repository, "0".repeat(40))).toBeUndefined();
  });

  it("learns product, version and clock", async () => {
    const { repository, client } = await start();
    const { product, version, date } = await client.version(repository);
    expect({ product, version }).toEqual(
      {
        gitea: { product: "Gitea", version: "1.24.6" },
        forgejo: { product: "Forgejo", version: "12.0.4+gitea-1.22.0" },
        gogs: { product: "unknown", version: "unknown" },
      }[flavour],
    );
    expect(date === undefined).toBe(flavour === "gogs");
  });
});

describe("object ids of 64 digits", () => {
  it("are heads like any other", async () => {
    const { git, repository } = await startServer({ repository: { objectFormat: "sha256" } });
    const sha = await git.head();
    expect(sha).toHaveLength(64);
    const client = startClient();
    expect(await client.resolveHead(repository)).toMatchObject({ sha });
    expect(await client.resolveHead(repository, { ref: sha })).toMatchObject({ sha });
  });
});

describe("credentials", () => {
  it("open a private repository as a header that no URL repeats", async () => {
    const { server, git, repository } = await startServer({
      token: TOKEN,
      repository: { private: true, defaultBranch: "trunk" },
    });
    const client = startClient({ token: TOKEN, server });
    expect(await client.resolveHead(repository)).toMatchObject({ sha: await git.head() });
    expect(server.requests).toHaveLength(3);
    for (const { authorization, path } of server.requests) {
      expect(authorization).toBe(`token ${TOKEN}`);
      expect(decodeURIComponent(path)).not.toContain(TOKEN);
    }
  });

  it("can be a user name with a password", async () => {
    const { server, repository } = await startServer({
      token: TOKEN,
      repository: { private: true },
    });
    const credential = { kind: "password", username: "user", password: TOKEN } as const;
    const client = startClient({ settings: { origin: server.origin, credential } });
    await client.resolveHead(repository);
    expect(server.requests[0]?.authorization).toBe(`Basic ${btoa(`user:${TOKEN}`)}`);
  });

  it("are not shown to a server of another origin, be it the same host", async () => {
    const { server, git, repository } = await startServer();
    const credential = { kind: "token", token: TOKEN } as const;
    for (const origin of [
      "http://127.0.0.1:1",
      server.origin.replace("http:", "https:"),
      undefined,
    ]) {
      const client = startClient({ settings: { origin, credential } });
      expect(await client.resolveHead(repository)).toMatchObject({ sha: await git.head() });
    }
    expect(server.requests.map(({ authorization }) => authorization)).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
  });

  it("that are missing make a private repository one that is not found, with the way out", async () => {
    const { repository } = await startServer({ token: TOKEN, repository: { private: true } });
    await expect(startClient().resolveHead(repository)).rejects.toMatchObject({
      code: "ERR_GITEA_NOT_FOUND",
      hint: expect.stringContaining("MOLECULE_GITEA_TOKEN"),
    });
  });

  it("that are wrong are refused in words that do not repeat them", async () => {
    const { server, repository } = await startServer({ token: TOKEN });
    const client = startClient({ token: "wr0ng-token", server });
    const failure: unknown = await client.resolveHead(repository).catch((error: unknown) => error);
    expect(failure).toEqual(giteaError("ERR_GITEA_UNAUTHORIZED", { status: 401 }));
    expect(JSON.stringify(failure)).not.toContain("wr0ng-token");
    expect((failure as Error).message).toContain("invalid username, password or token");
    expect(server.requests).toHaveLength(1);
  });

  it("that are missing on Gogs are asked for even where the repository is public", async () => {
    const { repository } = await startServer({ flavour: "gogs", token: TOKEN });
    await expect(startClient().resolveHead(repository)).rejects.toMatchObject({
      code: "ERR_GITEA_UNAUTHORIZED",
      hint: expect.stringContaining("Gogs"),
    });
  });
});
