import fc from "fast-check";
import { createServer } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { pino } from "pino";
import { expect, it } from "vitest";
import { gatewayOf, listenForAgents } from "./agent-listener.js";

const logger = pino({ level: "silent" });

it("hands connections of another address to the server that listens", async () => {
  const server = createServer((request, response) => response.end(request.socket.localAddress));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const listener = await listenForAgents({ server, address: "127.0.0.9", port, logger });
  try {
    expect(await (await fetch(`http://127.0.0.9:${port}/`)).text()).toBe("127.0.0.9");
    expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe("127.0.0.1");
  } finally {
    server.close();
    server.closeAllConnections();
    await listener[Symbol.asyncDispose]();
  }
  await expect(fetch(`http://127.0.0.9:${port}/`)).rejects.toThrow();
});

it("goes on without an address that is not one of this machine", async () => {
  const server = createServer();
  const listener = await listenForAgents({ server, address: "192.0.2.1", port: 1, logger });
  await listener[Symbol.asyncDispose]();
});

it("finds the gateway in the record of a network, and nothing in anything else", () => {
  const record = (Config: unknown): string => JSON.stringify({ IPAM: { Config } });
  const given = record([{ Subnet: "fd00::/64" }, { Gateway: "172.18.0.1" }]);
  expect(gatewayOf(given)).toBe("172.18.0.1");
  expect(gatewayOf(record([{ Subnet: "172.17.0.0/16" }]))).toBe("172.17.0.1");
  const unsaid = record([{ Subnet: "172.17.0.0/16", Gateway: "" }]);
  expect(gatewayOf(unsaid)).toBe("172.17.0.1");
  expect(gatewayOf(record([{ Subnet: "10.0.0.0/8" }]))).toBe("10.0.0.1");
  expect(gatewayOf(record(null))).toBeUndefined();
  expect(gatewayOf(record([{ Gateway: "evil.example" }]))).toBeUndefined();
  fc.assert(fc.property(fc.string(), (text) => gatewayOf(text) === undefined));
  fc.assert(
    fc.property(fc.string(), (subnet) => {
      gatewayOf(record([{ Subnet: subnet }]));
    }),
  );
});
