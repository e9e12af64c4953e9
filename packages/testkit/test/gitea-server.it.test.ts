import { existsSync } from "node:fs";
import {
  chmod,
  lstat,
  mkdir,
  mkdtemp,
  readFile,
  readlink,
  rm,
  symlink,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { createGunzip } from "node:zlib";

import { execa } from "execa";
import { extract } from "tar-stream";
import { fetch, request } from "undici";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

import { readTestFiles, startGiteaServer, type GiteaServer } from "../src/index.js";

const TOKEN = "t0ken-of-the-test";
const BASIC = `Basic ${Buffer.from(`oauth2:${TOKEN}`).toString("base64")}`;

let directory: string;
const servers: GiteaServer[] = [];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "molecule-testkit-"));
});

afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server[Symbol.asyncDispose]()));
  await rm(directory, { recursive: true, force: true });
});

async function start(options?: Parameters<typeof startGiteaServer>[0]): Promise<GiteaServer> {
  const server = await startGiteaServer(options);
  servers.push(server);
  return server;
}

async function git(
  args: readonly string[],
  authorization?: string,
): Promise<{ exitCode?: number | undefined; stdout: string }> {
  return execa("git", args, {
    cwd: directory,
    reject: false,
    env: {
      GIT_CONFIG_GLOBAL: "/dev/null",
      GIT_CONFIG_NOSYSTEM: "1",
      GIT_TERMINAL_PROMPT: "0",
      LC_ALL: "C",
      ...(authorization === undefined
        ? {}
        : {
            GIT_CONFIG_COUNT: "1",
            GIT_CONFIG_KEY_0: "http.extraHeader",
            GIT_CONFIG_VALUE_0: `Authorization: ${authorization}`,
          }),
    },
  });
}

async function fetchCommit(url: string, sha: string, authorization?: string) {
  await git(["init", "--quiet", "checkout"]);
  return git(["-C", "checkout", "fetch", "--quiet", "--depth=1", url, sha], authorization);
}

describe("repositories", () => {
  it("give the same commit for the same files on every run and every server", async () => {
    const files = {
      Dockerfile: "FROM scratch\n",
      "bin/run": { content: "#!/bin/sh\n", executable: true },
      link: { symlink: "bin/run" },
      'odd "name"\\ü': "x",
    };
    const first = await (await start()).createRepository({ name: "a", files });
    const second = await (await start({ basePath: "/git" })).createRepository({ name: "b", files });
    expect(await first.head()).toMatch(/^[0-9a-f]{40}$/);
    expect(await second.head()).toBe(await first.head());
    const reversed = Object.fromEntries(Object.entries(files).reverse());
    const third = await (await start()).createRepository({ name: "c", files: reversed });
    expect(await third.head()).toBe(await first.head());
  });

  it("commit over the files that are there, remove with null, and keep the tree with none", async () => {
    const repository = await (
      await start()
    ).createRepository({ name: "a", files: { one: "1", two: "2" } });
    const first = await repository.head();
    const same = await repository.commit({});
    expect(same).not.toBe(first);
    expect(await repository.tree(same)).toBe(await repository.tree(first));
    const removed = await repository.commit({ one: null, two: "2" });
    const only = await (await start()).createRepository({ name: "b", files: { two: "2" } });
    expect(await repository.tree(removed)).toBe(await only.tree(await only.head()));
    expect(await repository.head()).toBe(removed);
  });

  it("commit to a branch that starts at the default branch, also when asked at once", async () => {
    const repository = await (await start()).createRepository({ name: "a", files: { one: "1" } });
    const main = await repository.head();
    const [dev] = await Promise.all([
      repository.commit({ two: "2" }, { branch: "dev" }),
      repository.commit({ three: "3" }),
      repository.commit({ four: "4" }),
    ]);
    expect(await repository.head("dev")).toBe(dev);
    expect((await repository.describe(dev))?.parents).toEqual([main]);
    expect((await repository.describe(await repository.head()))?.parents).not.toEqual([main]);
  });

  it("can have object ids of 64 digits", async () => {
    const server = await start();
    const repository = await server.createRepository({
      name: "a",
      objectFormat: "sha256",
      files: { one: "1" },
    });
    expect(await repository.head()).toMatch(/^[0-9a-f]{64}$/);
  });

  it("hold the files of a directory with links and executable bits", async () => {
    const source = join(directory, "source");
    await mkdir(join(source, "bin"), { recursive: true });
    await mkdir(join(source, ".git"));
    await writeFile(join(source, ".git", "config"), "");
    await writeFile(join(source, "bin", "run"), "#!/bin/sh\n");
    await chmod(join(source, "bin", "run"), 0o755);
    await writeFile(join(source, "plain"), "p\n");
    await symlink("plain", join(source, "link"));
    const server = await start();
    const repository = await server.createRepository({
      name: "a",
      files: await readTestFiles(source),
    });
    await git(["clone", "--quiet", repository.url, "clone"]);
    const clone = join(directory, "clone");
    expect((await lstat(join(clone, "bin", "run"))).mode & 0o111).toBe(0o111);
    expect((await lstat(join(clone, "plain"))).mode & 0o111).toBe(0);
    expect(await readlink(join(clone, "link"))).toBe("plain");
  });
});

describe("git over HTTP", () => {
  for (const basePath of ["", "/deep/git"]) {
    it(`clones and fetches one commit by its id below "${basePath}"`, async () => {
      const server = await start({ basePath });
      const repository = await server.createRepository({ name: "a", files: { one: "1" } });
      const first = await repository.head();
      await repository.commit({ one: "2" });
      const fetched = await fetchCommit(repository.url, first);
      expect(fetched).toMatchObject({ exitCode: 0 });
      const shown = await git(["-C", "checkout", "show", "FETCH_HEAD:one"]);
      expect(shown.stdout).toBe("1");
      expect((await git(["clone", "--quiet", `${repository.url}.git`, "clone"])).exitCode).toBe(0);
      expect(await readFile(join(directory, "clone", "one"), "utf8")).toBe("2");
      expect(server.requests.every((seen) => seen.part === "git")).toBe(true);
    });
  }

  it("refuses a commit no ref points to on Gogs, which knows only the old protocol", async () => {
    const server = await start({ flavour: "gogs" });
    const repository = await server.createRepository({ name: "a", files: { one: "1" } });
    const first = await repository.head();
    await repository.commit({ one: "2" });
    const fetched = await fetchCommit(repository.url, first);
    expect(fetched.exitCode).not.toBe(0);
    expect((await fetchCommit(repository.url, await repository.head())).exitCode).toBe(0);
  });

  it("serves a private repository to its token as Basic only, and never to anybody else", async () => {
    const server = await start({ token: TOKEN });
    const repository = await server.createRepository({
      name: "a",
      private: true,
      files: { one: "1" },
    });
    const sha = await repository.head();
    expect((await fetchCommit(repository.url, sha)).exitCode).not.toBe(0);
    expect((await fetchCommit(repository.url, sha, `token ${TOKEN}`)).exitCode).not.toBe(0);
    const wrong = `Basic ${Buffer.from("oauth2:wrong").toString("base64")}`;
    expect((await fetchCommit(repository.url, sha, wrong)).exitCode).not.toBe(0);
    expect((await fetchCommit(repository.url, sha, BASIC)).exitCode).toBe(0);
    expect(server.requests.some((seen) => seen.authorization === BASIC)).toBe(true);
  });

  it("does not take pushes", async () => {
    const server = await start({ token: TOKEN });
    const repository = await server.createRepository({ name: "a", files: { one: "1" } });
    await git(["clone", "--quiet", repository.url, "clone"]);
    const pushed = await git(["-C", "clone", "push", "origin", "HEAD:refs/heads/new"], BASIC);
    expect(pushed.exitCode).not.toBe(0);
  });

  it("leaves no git process behind when it is closed in the middle of an answer", async () => {
    const server = await start();
    const repository = await server.createRepository({
      name: "a",
      files: { big: Buffer.alloc(4_000_000, "0123456789abcdef".repeat(64)) },
    });
    server.setFault({ kind: "stall", on: "git" });
    const stalled = await fetch(`${repository.url}/info/refs?service=git-upload-pack`);
    expect(stalled.status).toBe(200);
    await server[Symbol.asyncDispose]();
    expect(server.activeProcesses).toBe(0);
    expect(existsSync(repository.directory)).toBe(false);
    await server[Symbol.asyncDispose]();
  });
});

describe("API", () => {
  const api = async (
    server: GiteaServer,
    path: string,
    authorization?: string,
  ): Promise<{ status: number; body: unknown }> => {
    const response = await request(`${server.baseUrl}/api/v1${path}`, {
      headers: authorization === undefined ? {} : { authorization },
    });
    const body = await text(response.body);
    return { status: response.statusCode, body: body === "" ? "" : JSON.parse(body) };
  };

  for (const flavour of ["gitea", "forgejo"] as const) {
    it(`answers as ${flavour} does`, async () => {
      const server = await start({ flavour, basePath: "/git" });
      const repository = await server.createRepository({
        name: "a",
        defaultBranch: "trunk",
        files: { one: "1" },
      });
      const sha = await repository.head();
      await repository.commit({ two: "2" }, { branch: "feature/x" });
      await repository.tag("v1", { message: "annotated" });
      expect(await api(server, "/repos/molecule-ai/a")).toMatchObject({
        status: 200,
        body: { default_branch: "trunk", private: false, empty: false },
      });
      expect(await api(server, "/repos/molecule-ai/a/branches/trunk")).toMatchObject({
        status: 200,
        body: { name: "trunk", commit: { id: sha, timestamp: "2026-01-01T00:00:00+00:00" } },
      });
      expect(await api(server, "/repos/molecule-ai/a/branches/feature/x")).toMatchObject({
        body: { commit: { id: await repository.head("feature/x") } },
      });
      expect(await api(server, "/repos/molecule-ai/a/tags/v1")).toMatchObject({
        body: { name: "v1", commit: { sha } },
      });
      expect(await api(server, `/repos/molecule-ai/a/git/commits/${sha}`)).toMatchObject({
        body: { sha, commit: { tree: { sha: await repository.tree(sha) } } },
      });
      expect(await api(server, `/repos/molecule-ai/a/commits/${sha}`)).toMatchObject({
        status: 404,
      });
      expect(await api(server, "/repos/molecule-ai/a/branches/main")).toMatchObject({
        status: 404,
      });
      expect(await api(server, "/repos/molecule-ai/other")).toMatchObject({ status: 404 });
      expect(await api(server, "/version")).toMatchObject({ status: 200 });
    });
  }

  it("answers as Gogs does: a token for everything but the repository, other routes", async () => {
    const server = await start({ flavour: "gogs", token: TOKEN });
    const repository = await server.createRepository({ name: "a", files: { one: "1" } });
    const sha = await repository.head();
    const known = `token ${TOKEN}`;
    expect(await api(server, "/repos/molecule-ai/a")).toMatchObject({ status: 200 });
    const branch = "/repos/molecule-ai/a/branches/main";
    expect(await api(server, branch)).toMatchObject({ status: 401, body: "" });
    expect(await api(server, branch, known)).toMatchObject({ body: { commit: { id: sha } } });
    const commit = `/repos/molecule-ai/a/commits/${sha}`;
    expect(await api(server, commit, known)).toMatchObject({ status: 200, body: { sha } });
    const gitea = `/repos/molecule-ai/a/git/commits/${sha}`;
    expect(await api(server, gitea, known)).toMatchObject({ status: 404 });
    expect(await api(server, "/version", known)).toMatchObject({ status: 404 });
  });

  it("hides a private repository from callers without token and refuses an unknown token", async () => {
    const server = await start({ token: TOKEN });
    await server.createRepository({ name: "a", private: true, files: {} });
    const path = "/repos/molecule-ai/a/branches/main";
    expect(await api(server, path)).toMatchObject({ status: 404 });
    expect(await api(server, path, "token wrong")).toMatchObject({ status: 401 });
    expect(await api(server, path, `token ${TOKEN}`)).toMatchObject({ status: 200 });
    expect(await api(server, path, BASIC)).toMatchObject({ status: 200 });
  });

  it("says of a repository without commits that it is empty", async () => {
    const server = await start();
    await server.createRepository({ name: "a" });
    expect(await api(server, "/repos/molecule-ai/a")).toMatchObject({ body: { empty: true } });
    expect(await api(server, "/repos/molecule-ai/a/branches/main")).toMatchObject({ status: 404 });
  });

  it("gives a commit as an archive that names it", async () => {
    const server = await start();
    const repository = await server.createRepository({
      name: "a",
      files: { one: "1", "dir/two": "2" },
    });
    const sha = await repository.head();
    const response = await request(
      `${server.baseUrl}/api/v1/repos/molecule-ai/a/archive/${sha}.tar.gz`,
    );
    const archive = await response.body.arrayBuffer();
    const seen: string[] = [];
    const reader = extract();
    const done = (async () => {
      for await (const entry of reader) {
        seen.push(entry.header.name);
        entry.resume();
      }
    })();
    const unzip = createGunzip();
    unzip.pipe(reader);
    unzip.end(Buffer.from(archive));
    await done;
    expect(seen).toEqual(expect.arrayContaining(["a/one", "a/dir/two"]));
    await writeFile(join(directory, "a.tar.gz"), Buffer.from(archive));
    const plain = await execa("gunzip", ["-c", join(directory, "a.tar.gz")], {
      encoding: "buffer",
    });
    const id = await execa("git", ["get-tar-commit-id"], { input: plain.stdout });
    expect(id.stdout).toBe(sha);
  });
});

describe("faults", () => {
  it("strike only the part and as often as they say", async () => {
    const server = await start();
    const repository = await server.createRepository({ name: "a", files: { one: "1" } });
    const url = `${server.baseUrl}/api/v1/repos/molecule-ai/a/branches/main`;
    server.setFault({ kind: "status", status: 429, retryAfter: 7, count: 2 });
    const first = await request(url);
    expect(first.statusCode).toBe(429);
    expect(first.headers["retry-after"]).toBe("7");
    await first.body.dump();
    expect((await git(["ls-remote", repository.url])).exitCode).toBe(0);
    expect((await fetch(url)).status).toBe(429);
    expect((await fetch(url)).status).toBe(200);
  });

  it("move the head between the answer that names it and the fetch", async () => {
    const server = await start();
    const repository = await server.createRepository({ name: "a", files: { one: "1" } });
    const before = await repository.head();
    server.setFault({ kind: "moving-head" });
    const url = `${server.baseUrl}/api/v1/repos/molecule-ai/a/branches/main`;
    expect(await (await fetch(url)).json()).toMatchObject({ commit: { id: before } });
    expect(await repository.head()).not.toBe(before);
    const now = await repository.head();
    expect(await (await fetch(url)).json()).toMatchObject({ commit: { id: now } });
    expect(await repository.head()).toBe(now);
  });

  it("redirect to another origin that serves the same and remembers what it was shown", async () => {
    const server = await start();
    await server.createRepository({ name: "a", files: { one: "1" } });
    server.setFault({ kind: "redirect" });
    const path = "/api/v1/repos/molecule-ai/a/branches/main";
    const response = await fetch(`${server.baseUrl}${path}`, {
      headers: { authorization: "token x" },
    });
    expect(response.status).toBe(200);
    expect(new URL(response.url).origin).not.toBe(server.origin);
    expect(server.strayRequests).toMatchObject([{ path, authorization: undefined }]);
  });
});
