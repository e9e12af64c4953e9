import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { createHttpProbe } from "./probe.js";

describe("the HTTP probe", () => {
  let server: Server | undefined;
  afterEach(() => {
    server?.closeAllConnections();
    server?.close();
  });
  const serve = async (
    answer: (response: ServerResponse, count: number) => void,
  ): Promise<{ readonly url: string; readonly paths: string[] }> => {
    const paths: string[] = [];
    server = createServer((request, response) => {
      paths.push(request.url ?? "");
      answer(response, paths.length);
    });
    await new Promise<void>((resolve) => server?.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    return { url: `http://127.0.0.1:${port}`, paths };
  };
  const signal = new AbortController().signal;

  it.each([
    [200, "ready"],
    [302, "ready"],
    [401, "ready"],
    [404, "ready"],
    [500, "unready"],
    [503, "unready"],
  ])("takes status %d for %s", async (status, kind) => {
    const { url, paths } = await serve((response) => response.writeHead(status).end("x"));
    await using probe = createHttpProbe();
    expect(await probe.ask(url, signal)).toEqual({ kind, status });
    expect(paths).toEqual(["/.well-known/agent-card.json"]);
  });

  it("gives a connection up that is never served, and asks over a new one", async () => {
    const { url } = await serve((response, count) => {
      if (count > 1) response.end("x");
    });
    await using probe = createHttpProbe();
    expect(await probe.ask(url, signal)).toEqual({ kind: "silent" });
    expect(await probe.ask(url, signal)).toEqual({ kind: "ready", status: 200 });
  });

  it("is silent when nobody listens, and rethrows the reason of an abort", async () => {
    await using probe = createHttpProbe();
    expect(await probe.ask("http://127.0.0.1:1", signal)).toEqual({ kind: "silent" });
    const reason = new Error("enough");
    await expect(probe.ask("http://127.0.0.1:1", AbortSignal.abort(reason))).rejects.toBe(reason);
  });
});
