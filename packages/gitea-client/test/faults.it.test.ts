import { describe, expect, it } from "vitest";
import { Agent, MockAgent } from "undici";

import { parseRepository } from "../src/index.js";
import { giteaError } from "./gitea-error.js";
import {
  closedOrigin,
  instantClock,
  startClient,
  startServer,
  startSocketServer,
  TOKEN,
} from "./servers.js";

describe("a server that cannot be reached", () => {
  it("is named with the repository, after as many tries as allowed", async () => {
    const origin = await closedOrigin();
    const clock = instantClock();
    const client = startClient({ clock, random: () => 0.5 });
    const repository = parseRepository(`${origin}/molecule-ai/template-echo`);
    const failure = client.resolveHead(repository);
    await expect(failure).rejects.toMatchObject({
      code: "ERR_GITEA_UNREACHABLE",
      message: expect.stringContaining(repository.url),
      retryable: true,
      details: { origin, reason: "ECONNREFUSED" },
    });
    expect(clock.sleeps).toEqual([125, 250, 500]);
  });

  it("is not asked again when it does not speak HTTP", async () => {
    const server = await startSocketServer((socket) => {
      socket.end("SSH-2.0-OpenSSH_9.2\r\n");
    });
    const client = startClient({ clock: instantClock() });
    await expect(client.resolveHead(parseRepository(`${server.origin}/o/n`))).rejects.toMatchObject(
      { code: "ERR_GITEA_UNREACHABLE", retryable: false },
    );
    expect(server.connections()).toBe(1);
  });

  it("is asked again when it dropped the connection", async () => {
    const { server, git, repository } = await startServer();
    server.setFault({ kind: "drop-connection", count: 2 });
    const clock = instantClock();
    const client = startClient({ clock });
    expect(await client.resolveHead(repository)).toMatchObject({ sha: await git.head() });
    expect(clock.sleeps).toHaveLength(2);
  });

  it("is told from one whose certificate is not trusted", async () => {
    const dispatcher = new MockAgent();
    dispatcher.disableNetConnect();
    const failure = Object.assign(new Error("self-signed"), {
      code: "DEPTH_ZERO_SELF_SIGNED_CERT",
    });
    dispatcher
      .get("https://git.example")
      .intercept({ path: () => true })
      .replyWithError(failure);
    const clock = instantClock();
    const client = startClient({ dispatcher, clock });
    await expect(
      client.resolveHead(parseRepository("https://git.example/o/n")),
    ).rejects.toMatchObject({
      code: "ERR_GITEA_UNREACHABLE",
      hint: expect.stringContaining("NODE_EXTRA_CA_CERTS"),
      cause: failure,
    });
    expect(clock.sleeps).toEqual([]);
    await dispatcher.close();
  });
});

describe("a slow server", () => {
  it.each([
    ["before its answer", { kind: "slow", delayMs: 60_000 } as const],
    ["in its answer", { kind: "stall" } as const],
  ])("ends the call at the time limit when it is silent %s", async (_, fault) => {
    const { server, repository } = await startServer();
    server.setFault(fault);
    const client = startClient({ timeoutMs: 200 });
    await expect(client.resolveHead(repository)).rejects.toEqual(giteaError("ERR_GITEA_TIMEOUT"));
    expect(server.requests.length).toBeLessThan(2);
  });

  it("is waited for within the limit", async () => {
    const { server, git, repository } = await startServer();
    server.setFault({ kind: "slow", delayMs: 30 });
    expect(await startClient().resolveHead(repository)).toMatchObject({ sha: await git.head() });
  });

  it("does not hide the failure that was being repeated when the time ran out", async () => {
    const { server, repository } = await startServer();
    server.setFault({ kind: "status", status: 503, retryAfter: 5 });
    const client = startClient({ timeoutMs: 1000 });
    await expect(client.resolveHead(repository)).rejects.toEqual(
      giteaError("ERR_GITEA_STATUS", { status: 503, retryAfterMs: 5000 }),
    );
  });
});

describe("a status", () => {
  it.each([401, 403])("%i is a refusal that names it and is not repeated", async (status) => {
    const { server, repository } = await startServer();
    server.setFault({ kind: "status", status });
    await expect(startClient().resolveHead(repository)).rejects.toMatchObject({
      code: "ERR_GITEA_UNAUTHORIZED",
      message: expect.stringContaining(String(status)),
      hint: expect.stringContaining("MOLECULE_GITEA_TOKEN"),
    });
    expect(server.requests).toHaveLength(1);
  });

  it("404 everywhere is a repository that is not found", async () => {
    const { server, repository } = await startServer();
    server.setFault({ kind: "status", status: 404 });
    await expect(startClient().resolveHead(repository)).rejects.toEqual(
      giteaError("ERR_GITEA_NOT_FOUND"),
    );
    expect(server.requests).toHaveLength(2);
  });

  it.each([429, 500, 502, 503])("%i is repeated until it is over", async (status) => {
    const { server, git, repository } = await startServer();
    server.setFault({ kind: "status", status, count: 3 });
    const client = startClient({ clock: instantClock() });
    expect(await client.resolveHead(repository)).toMatchObject({ sha: await git.head() });
    expect(server.requests).toHaveLength(4);
  });

  it("500 that stays is an error that names it, after the last try", async () => {
    const { server, repository } = await startServer();
    server.setFault({ kind: "status", status: 500 });
    const client = startClient({ clock: instantClock(), retries: 1 });
    await expect(client.resolveHead(repository)).rejects.toMatchObject({
      code: "ERR_GITEA_STATUS",
      message: expect.stringContaining("500"),
      details: { status: 500 },
    });
    expect(server.requests).toHaveLength(2);
  });

  it.each([204, 304, 400, 418, 422])("%i is an error at once", async (status) => {
    const { server, repository } = await startServer();
    server.setFault({ kind: "status", status });
    await expect(startClient().resolveHead(repository)).rejects.toEqual(
      giteaError("ERR_GITEA_STATUS", { status }),
    );
    expect(server.requests).toHaveLength(1);
  });

  it("is waited out as long as Retry-After says, in seconds or as a date", async () => {
    const { server, repository } = await startServer();
    const clock = instantClock();
    const client = startClient({ clock, random: () => 0 });
    for (const retryAfter of [7, new Date(clock.now() + 7000).toUTCString()]) {
      server.setFault({ kind: "status", status: 429, retryAfter, count: 1 });
      await client.resolveHead(repository);
    }
    expect(clock.sleeps).toEqual([7000, 7000]);
  });

  it("that asks for more patience than allowed is an error at once, which tells the time", async () => {
    const { server, repository } = await startServer();
    server.setFault({ kind: "status", status: 429, retryAfter: 3600 });
    const clock = instantClock();
    await expect(startClient({ clock }).resolveHead(repository)).rejects.toMatchObject({
      code: "ERR_GITEA_STATUS",
      hint: expect.stringContaining("3600 s"),
      retryable: true,
    });
    expect(clock.sleeps).toEqual([]);
    expect(server.requests).toHaveLength(1);
  });
});

describe("an answer", () => {
  it("that is a web page is called one", async () => {
    const { server, repository } = await startServer();
    server.setFault({ kind: "html" });
    await expect(startClient().resolveHead(repository)).rejects.toMatchObject({
      code: "ERR_GITEA_NOT_JSON",
      message: expect.stringContaining("web page"),
    });
  });

  it("with an unclosed quote, without an id, with a short id and with no hex: three errors", async () => {
    const { server, repository } = await startServer();
    const client = startClient();
    for (const [kind, code] of [
      ["malformed", "ERR_GITEA_NOT_JSON"],
      ["missing-sha", "ERR_GITEA_SHA_MISSING"],
      ["short-sha", "ERR_GITEA_SHA_INVALID"],
      ["non-hex-sha", "ERR_GITEA_SHA_INVALID"],
    ] as const) {
      server.setFault({ kind });
      await expect(client.resolveHead(repository), kind).rejects.toEqual(giteaError(code));
    }
    expect(server.requests).toHaveLength(4);
  });

  it("that is indented and names other ids first is read right", async () => {
    const { server, git, repository } = await startServer();
    server.setFault({ kind: "pretty-json" });
    expect(await startClient().resolveHead(repository)).toMatchObject({ sha: await git.head() });
  });

  it.each([
    ["10 MB that tell their length", { kind: "oversized" } as const],
    ["10 MB that do not", { kind: "oversized", chunked: true } as const],
    ["one byte too many", { kind: "oversized", bytes: 65_536, chunked: true } as const],
  ])("of %s is an error, though the right id is in its first bytes", async (_, fault) => {
    const { server, repository } = await startServer();
    server.setFault(fault);
    await expect(startClient().resolveHead(repository)).rejects.toEqual(
      giteaError("ERR_GITEA_BODY_TOO_LARGE", { maxBytes: 65_536 }),
    );
    expect(server.requests).toHaveLength(1);
  });

  it("just within the limit is read", async () => {
    const { server, git, repository } = await startServer();
    server.setFault({ kind: "oversized", bytes: 60_000, chunked: true });
    expect(await startClient().resolveHead(repository)).toMatchObject({ sha: await git.head() });
  });

  it("that breaks off is asked for again, and in the end an error of its own", async () => {
    const { server, git, repository } = await startServer();
    const client = startClient({ clock: instantClock() });
    server.setFault({ kind: "truncated", count: 1 });
    expect(await client.resolveHead(repository)).toMatchObject({ sha: await git.head() });
    server.setFault({ kind: "truncated" });
    await expect(client.resolveHead(repository)).rejects.toEqual(
      giteaError("ERR_GITEA_DISCONNECTED"),
    );
    expect(server.requests).toHaveLength(2 + 4);
  });

  it("names the head of its moment when the branch moves right after it", async () => {
    const { server, git, repository } = await startServer();
    const before = await git.head();
    server.setFault({ kind: "moving-head" });
    expect(await startClient().resolveHead(repository)).toMatchObject({ sha: before });
    expect(await git.head()).not.toBe(before);
  });
});

describe("a redirect", () => {
  it("to another origin is refused, and the token stays here", async () => {
    const { server, repository } = await startServer({ token: TOKEN });
    server.setFault({ kind: "redirect", on: "all" });
    const client = startClient({ token: TOKEN, server });
    const outcomes = await Promise.allSettled([
      client.resolveHead(repository),
      client.resolveHead(repository, { ref: "v1" }),
      client.archive(repository, "0".repeat(40)),
      client.commitTree(repository, "0".repeat(40)),
      client.version(repository),
    ]);
    for (const outcome of outcomes) {
      expect(outcome).toEqual({
        status: "rejected",
        reason: giteaError("ERR_GITEA_REDIRECT_REFUSED"),
      });
    }
    expect(server.strayRequests).toEqual([]);
  });

  it.each([
    [
      "the same host with another scheme",
      (origin: string) => `${origin.replace("http", "https")}/x`,
    ],
    ["the same name on another port", () => "http://127.0.0.1:1/x"],
    ["a host in userinfo's clothes", (origin: string) => `http://${origin.slice(7)}@evil.invalid/`],
    ["a scheme-relative host", () => "//evil.invalid/api/v1/x"],
    ["a part of the origin outside the server", (origin: string) => `${origin}/other/api/v1/x`],
    ["a way out of the server with dots", () => "/code/../other"],
    ["no address", () => "http://["],
    ["a file", () => "file:///etc/passwd"],
  ])("to %s is refused", async (_, target) => {
    const { server, repository } = await startServer({ basePath: "/code", token: TOKEN });
    server.setFault({ kind: "redirect", to: target(server.origin) });
    const client = startClient({ token: TOKEN, server });
    await expect(client.resolveHead(repository)).rejects.toEqual(
      giteaError("ERR_GITEA_REDIRECT_REFUSED"),
    );
    expect(server.requests).toHaveLength(1);
  });

  it("does not show a secret of its target", async () => {
    const { server, repository } = await startServer();
    server.setFault({ kind: "redirect", to: "https://u:hunter2@evil.invalid/x?sig=hunter2" });
    const failure: unknown = await startClient()
      .resolveHead(repository)
      .catch((error: unknown) => error);
    expect(failure).toEqual(giteaError("ERR_GITEA_REDIRECT_REFUSED"));
    expect(JSON.stringify(failure)).not.toContain("hunter2");
  });

  it.each([301, 302, 307, 308])(
    "%i within the server is followed with the token",
    async (status) => {
      const { server, git, repository } = await startServer({
        token: TOKEN,
        repository: { private: true },
      });
      const old = {
        ...repository,
        name: "old-name",
        url: `${server.baseUrl}/molecule-ai/old-name`,
      };
      server.setFault({
        kind: "redirect",
        status,
        to: "/api/v1/repos/molecule-ai/template-echo/branches/main",
        count: 1,
      });
      const client = startClient({ token: TOKEN, server });
      expect(await client.resolveHead(old)).toMatchObject({ sha: await git.head() });
      expect(server.requests.map(({ authorization }) => authorization)).toEqual([
        `token ${TOKEN}`,
        `token ${TOKEN}`,
      ]);
    },
  );

  it("in a circle is given up", async () => {
    const { server, repository } = await startServer();
    server.setFault({ kind: "redirect", to: "/api/v1/repos/o/n/branches/main" });
    await expect(startClient().resolveHead(repository)).rejects.toEqual(
      giteaError("ERR_GITEA_REDIRECT_REFUSED"),
    );
    expect(server.requests).toHaveLength(6);
  });
});

describe("an abort", () => {
  const reason = new Error("the caller's own reason");

  it("before the call sends nothing", async () => {
    const { server, repository } = await startServer();
    const signal = AbortSignal.abort(reason);
    const client = startClient();
    await expect(client.resolveHead(repository, { signal })).rejects.toBe(reason);
    await expect(client.version(repository, { signal })).rejects.toBe(reason);
    await expect(client.archive(repository, "0".repeat(40), { signal })).rejects.toBe(reason);
    await expect(client.commitTree(repository, "0".repeat(40), { signal })).rejects.toBe(reason);
    expect(server.requests).toEqual([]);
  });

  it("closes the connection while the server is silent", async () => {
    let closed: (() => void) | undefined;
    const gone = new Promise<void>((resolve) => (closed = resolve));
    const controller = new AbortController();
    const { origin } = await startSocketServer((socket) => {
      socket.once("data", () => {
        controller.abort(reason);
      });
      socket.once("close", () => closed?.());
    });
    const call = startClient().resolveHead(parseRepository(`${origin}/o/n`), {
      signal: controller.signal,
    });
    await expect(call).rejects.toBe(reason);
    await gone;
  });

  it("ends a wait between two tries", async () => {
    const { server, repository } = await startServer();
    server.setFault({ kind: "status", status: 503, retryAfter: 10 });
    const controller = new AbortController();
    const clock = {
      ...instantClock(),
      sleep: (_: number, signal?: AbortSignal) =>
        new Promise<void>((_resolve, reject) => {
          signal?.addEventListener("abort", () => reject(signal.reason as Error));
          controller.abort(reason);
        }),
    };
    const call = startClient({ clock }).resolveHead(repository, { signal: controller.signal });
    await expect(call).rejects.toBe(reason);
    expect(server.requests).toHaveLength(1);
  });
});

describe("a dispatcher", () => {
  it("of the caller stays open when the client is closed", async () => {
    const { git, repository } = await startServer();
    const dispatcher = new Agent();
    const client = startClient({ dispatcher });
    await client.resolveHead(repository);
    await client[Symbol.asyncDispose]();
    const next = startClient({ dispatcher });
    expect(await next.resolveHead(repository)).toMatchObject({ sha: await git.head() });
    await dispatcher.close();
  });
});
