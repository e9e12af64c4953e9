import { once } from "node:events";
import { buffer } from "node:stream/consumers";
import { gunzipSync } from "node:zlib";

import { describe, expect, it } from "vitest";

import { parseRepository } from "../src/index.js";
import { giteaError } from "./gitea-error.js";
import { instantClock, startClient, startServer, startSocketServer, TOKEN } from "./servers.js";

/** Bytes that do not compress, the same on every run. */
function noise(bytes: number): Buffer {
  const data = Buffer.alloc(bytes);
  let state = 1;
  for (let at = 0; at < bytes; at += 1) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    data[at] = state >>> 24;
  }
  return data;
}

describe("archive", () => {
  it.each(["gitea", "forgejo", "gogs"] as const)(
    "of %s is the tree of that commit",
    async (flavour) => {
      const { server, git, repository } = await startServer({
        flavour,
        token: TOKEN,
        basePath: "/code",
        repository: { private: true },
      });
      const sha = await git.head();
      await git.commit({ Dockerfile: "FROM other\n" });
      const client = startClient({ token: TOKEN, server });
      const tar = gunzipSync(await buffer(await client.archive(repository, sha)));
      // git writes the commit into the pax header that comes first.
      expect(tar.subarray(512, 1024).toString("latin1")).toContain(`comment=${sha}`);
      expect(tar.toString("latin1")).toContain("FROM scratch\n");
      expect(tar.toString("latin1")).not.toContain("FROM other\n");
      expect(server.requests[0]?.authorization).toBe(`token ${TOKEN}`);
    },
  );

  it("is asked for by a full commit only", async () => {
    const { server, repository } = await startServer();
    for (const ref of ["main", "abc1234", "../../x", ""]) {
      await expect(startClient().archive(repository, ref)).rejects.toEqual(
        giteaError("ERR_GITEA_REF_INVALID"),
      );
    }
    expect(server.requests).toEqual([]);
  });

  it("of a commit that is not there is an error", async () => {
    const { repository } = await startServer();
    await expect(startClient().archive(repository, "0".repeat(40))).rejects.toEqual(
      giteaError("ERR_GITEA_REF_NOT_FOUND"),
    );
  });

  it("is asked for again while no byte of it has come", async () => {
    const { server, git, repository } = await startServer();
    const client = startClient({ clock: instantClock() });
    server.setFault({ kind: "status", status: 502, on: "archive", count: 2 });
    const stream = await client.archive(repository, await git.head());
    expect((await buffer(stream)).length).toBeGreaterThan(0);
    expect(server.requests).toHaveLength(3);
  });

  it.each([
    ["a sign-in page", { kind: "html", on: "archive" } as const],
    ["JSON", { kind: "malformed", on: "archive" } as const],
  ])("that is %s is refused before a byte of it is given on", async (_, fault) => {
    const { server, git, repository } = await startServer();
    server.setFault(fault);
    const stream = await startClient().archive(repository, await git.head());
    let given = 0;
    stream.on("data", (chunk: Buffer) => (given += chunk.length));
    await expect(once(stream, "end")).rejects.toEqual(giteaError("ERR_GITEA_ANSWER_INVALID"));
    expect(given).toBe(0);
  });

  it("that breaks off ends in an error, never in a shorter archive", async () => {
    const { server, git, repository } = await startServer({
      repository: { files: { noise: noise(400_000) } },
    });
    server.setFault({ kind: "truncated", afterBytes: 200_000, on: "archive" });
    const stream = await startClient().archive(repository, await git.head());
    await expect(buffer(stream)).rejects.toEqual(giteaError("ERR_GITEA_DISCONNECTED"));
  });

  it("that falls silent ends at the idle limit", async () => {
    const { server, git, repository } = await startServer({
      repository: { files: { noise: noise(400_000) } },
    });
    server.setFault({ kind: "stall", afterBytes: 100_000, on: "archive" });
    const client = startClient({ idleTimeoutMs: 50 });
    const stream = await client.archive(repository, await git.head());
    await expect(buffer(stream)).rejects.toEqual(giteaError("ERR_GITEA_TIMEOUT"));
  });

  it("may take longer than the limit of a call, while it goes on", async () => {
    const { origin } = await startSocketServer((socket) => {
      socket.write("HTTP/1.1 200 OK\r\ncontent-length: 40\r\n\r\n");
      let sent = 0;
      const timer = setInterval(() => {
        socket.write(Buffer.from(sent === 0 ? [0x1f, 0x8b] : [0, 0]));
        sent += 2;
        if (sent === 40) clearInterval(timer);
      }, 75);
      socket.once("close", () => {
        clearInterval(timer);
      });
    });
    const client = startClient({ timeoutMs: 1000, idleTimeoutMs: 10_000 });
    const stream = await client.archive(parseRepository(`${origin}/o/n`), "a".repeat(40));
    expect(await buffer(stream)).toHaveLength(40);
  });

  it("larger than allowed is an error", async () => {
    const { git, repository } = await startServer({
      repository: { files: { noise: noise(400_000) } },
    });
    const client = startClient({ maxArchiveBytes: 100_000 });
    const stream = await client.archive(repository, await git.head());
    await expect(buffer(stream)).rejects.toEqual(
      giteaError("ERR_GITEA_BODY_TOO_LARGE", { maxBytes: 100_000 }),
    );
  });

  it("is not cut off by a reader who takes longer than the idle limit", async () => {
    const content = noise(4_000_000);
    content.set([0x1f, 0x8b]);
    const { origin } = await startSocketServer((socket) => {
      socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${content.length}\r\n\r\n`);
      socket.write(content);
    });
    const client = startClient({ idleTimeoutMs: 500 });
    const stream = await client.archive(parseRepository(`${origin}/o/n`), "a".repeat(40));
    await once(stream, "readable");
    await new Promise((resolve) => setTimeout(resolve, 1000));
    expect(await buffer(stream)).toHaveLength(content.length);
  });

  it.each(["abort", "destroy"] as const)(
    "closes its connection and ends git on %s",
    async (how) => {
      const { server, git, repository } = await startServer({
        repository: { files: { noise: noise(8_000_000) } },
      });
      const reason = new Error("the caller's own reason");
      const controller = new AbortController();
      const client = startClient();
      const stream = await client.archive(repository, await git.head(), {
        signal: controller.signal,
      });
      await once(stream, "readable");
      expect(server.activeProcesses).toBe(1);
      const closed = new Promise<unknown>((resolve) => {
        let failure: unknown;
        stream.once("error", (error) => (failure = error));
        stream.once("close", () => {
          resolve(failure);
        });
      });
      if (how === "abort") controller.abort(reason);
      else stream.destroy();
      expect(await closed).toBe(how === "abort" ? reason : undefined);
      await expect.poll(() => server.activeProcesses).toBe(0);
    },
  );

  it.each(["abort", "destroy"] as const)(
    "closes its connection on %s also while the server is silent",
    async (how) => {
      let closed: (() => void) | undefined;
      const gone = new Promise<void>((resolve) => (closed = resolve));
      const { origin } = await startSocketServer((socket) => {
        socket.write("HTTP/1.1 200 OK\r\ncontent-length: 40\r\n\r\n");
        socket.write(Buffer.from([0x1f, 0x8b]));
        socket.once("close", () => closed?.());
      });
      const controller = new AbortController();
      // Longer than this test may take: the limit must not be what closes it.
      const client = startClient({ idleTimeoutMs: 600_000 });
      const stream = await client.archive(parseRepository(`${origin}/o/n`), "a".repeat(40), {
        signal: controller.signal,
      });
      stream.on("error", () => {});
      await once(stream, "data");
      if (how === "abort") controller.abort(new Error("given up"));
      else stream.destroy();
      await gone;
    },
  );
});
