import { expect, it } from "vitest";
import { createApp } from "./app.js";

it("answers GET /health with status ok", async () => {
  await using app = createApp({ logLevel: "silent" });
  const response = await app.inject({ method: "GET", url: "/health" });
  expect(response.statusCode).toBe(200);
  expect(response.json()).toEqual({ status: "ok" });
});

it("answers an unknown route with 404 and an error that names it, without its query", async () => {
  await using app = createApp({ logLevel: "silent" });
  const response = await app.inject({ method: "GET", url: "/nothing?token=s3cret" });
  expect(response.statusCode).toBe(404);
  expect(response.json()).toEqual({ error: "no route GET /nothing" });
});
