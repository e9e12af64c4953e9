import { pino } from "pino";
import { expect, it } from "vitest";
import { createMemoryHost } from "../test/support/memory-host.js";
import { openServer } from "./compose.js";
import { serverConfigFromEnv } from "./config.js";
import { openMemoryStore } from "../test/support/memory-store.js";

it("answers GET /health with status ok", async () => {
  await using store = await openMemoryStore();
  await using server = await openServer(config, { store, host: createMemoryHost(), logger });
  const response = await server.app.inject({ method: "GET", url: "/health" });
  expect(response.statusCode).toBe(200);
  expect(response.json()).toEqual({ status: "ok" });
});

it("answers an unknown route with 404 and an error that names it, without its query", async () => {
  await using store = await openMemoryStore();
  await using server = await openServer(config, { store, host: createMemoryHost(), logger });
  const response = await server.app.inject({ method: "GET", url: "/nothing?token=s3cret" });
  expect(response.statusCode).toBe(404);
  expect(response.json()).toMatchObject({
    error: "no route GET /nothing",
    code: "ERR_ROUTE_NOT_FOUND",
  });
  expect(response.body).not.toContain("s3cret");
});

const logger = pino({ level: "silent" });
const config = serverConfigFromEnv({
  LOG_LEVEL: "silent",
  SECRETS_ENCRYPTION_KEY: Buffer.alloc(32, 7).toString("base64"),
});
