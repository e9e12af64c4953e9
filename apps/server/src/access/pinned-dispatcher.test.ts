import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { request } from "undici";
import { expect, it } from "vitest";
import type { AgentUrl } from "./agent-url.js";
import { createPinnedDispatcher } from "./pinned-dispatcher.js";

interface Listening extends AsyncDisposable {
  readonly port: number;
  readonly seen: { connections: number; requests: number };
}

async function listen(host: string, answer: RequestListener, port = 0): Promise<Listening> {
  const seen = { connections: 0, requests: 0 };
  const server = createServer((incoming, outgoing) => {
    seen.requests += 1;
    answer(incoming, outgoing);
  });
  server.on("connection", () => (seen.connections += 1));
  server.listen(port, host);
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    seen,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

const pinned = (url: string, address = "127.0.0.1"): AgentUrl => ({
  url: new URL(url),
  addresses: [{ address, family: 4 }],
});
const refusal = { code: "ERR_AGENT_URL_REFUSED" };

it("connects to the address that was checked, without asking for the name again", async () => {
  await using first = await listen("127.0.0.1", (_request, response) => response.end("first"));
  await using _second = await listen(
    "127.0.0.2",
    (_request, response) => response.end("second"),
    first.port,
  );
  for (const [address, name] of [
    ["127.0.0.1", "first"],
    ["127.0.0.2", "second"],
  ] as const) {
    // A name of which no resolver knows anything.
    const url = `http://agent.invalid:${first.port}/`;
    const dispatcher = createPinnedDispatcher(pinned(url, address));
    try {
      const { body } = await request(url, { dispatcher });
      expect(await body.text()).toBe(name);
    } finally {
      await dispatcher.close();
    }
  }
});

it("does not follow a redirect to another host, port or protocol, and opens no connection there", async () => {
  await using other = await listen("127.0.0.1", (_request, response) => response.end("other"));
  for (const target of [
    `http://localhost:${other.port}/`,
    `http://127.0.0.1:${other.port}/`,
    `http://agent.invalid:${other.port}/`,
    `https://agent.invalid:${other.port}/`,
  ]) {
    await using agent = await listen("127.0.0.1", (_request, response) =>
      response.writeHead(302, { location: target }).end(),
    );
    const url = `http://agent.invalid:${agent.port}/`;
    const dispatcher = createPinnedDispatcher(pinned(url));
    try {
      // The undici of this package and of Node may differ, and so may their dispatchers.
      const followed = fetch(url, { dispatcher } as unknown as RequestInit);
      await expect(followed).rejects.toMatchObject({ cause: refusal });
      expect(agent.seen.requests).toBe(1);
    } finally {
      await dispatcher.close();
    }
  }
  expect(other.seen.connections).toBe(0);
});

it("sends nothing to an address that was not checked, though the URL names it", async () => {
  await using other = await listen("127.0.0.2", (_request, response) => response.end("other"));
  const url = `http://127.0.0.2:${other.port}/`;
  const dispatcher = createPinnedDispatcher(pinned(url));
  try {
    await expect(request(url, { dispatcher })).rejects.toMatchObject(refusal);
    expect(other.seen.requests).toBe(0);
  } finally {
    await dispatcher.close();
  }
});
