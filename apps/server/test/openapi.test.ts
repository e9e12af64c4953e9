import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createApp } from "../src/app.js";
import { listOperations, type OpenapiDocument } from "./support/openapi-document.js";
import { startTestServer, type TestServer } from "./support/test-server.js";

let server: TestServer;
let document: OpenapiDocument;

beforeAll(async () => {
  server = await startTestServer();
  const answer = await server.request("/openapi.json", { token: null });
  document = answer.body as OpenapiDocument;
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
});

describe("the published document", () => {
  it("is OpenAPI 3.1 with title and version", () => {
    expect(document.openapi).toBe("3.1.0");
    expect(document.info).toMatchObject({ title: "Molecule control plane" });
    expect(document.info.version).toMatch(/^\d+\.\d+\.\d+/);
    expect(Object.keys(document.components.securitySchemes).sort()).toEqual(["admin", "workspace"]);
  });

  it("has every route the server answers, but its own pages", async () => {
    const routes = new Set<string>();
    await using app = await createApp(server.context);
    for (const { method, url } of app.accessTable) {
      if (method === "HEAD" || url === "/docs" || url.startsWith("/docs/")) continue;
      routes.add(`${method} ${url.replace(/:(\w+)/g, "{$1}")}`);
    }
    const documented = listOperations(document).map(({ method, path }) => `${method} ${path}`);
    expect(documented.sort()).toEqual([...routes].sort());
    expect(documented.length).toBeGreaterThan(40);
  });

  it("says of each operation what it is, who may call it and what it answers", () => {
    const tags = document.tags.map(({ name }) => name);
    const ids = new Set<string>();
    for (const operation of listOperations(document)) {
      const name = `${operation.method} ${operation.path}`;
      expect(operation.summary, name).toBeTruthy();
      expect(tags, name).toEqual(expect.arrayContaining([...operation.tags]));
      expect(operation.tags, name).toHaveLength(1);
      expect(Array.isArray(operation.security), name).toBe(true);
      ids.add(operation.operationId);
      for (const [status, response] of Object.entries(operation.responses)) {
        expect(response.description, `${name} ${status}`).not.toBe("Default Response");
        if (Number(status) < 400) continue;
        const types = Object.keys(response.content ?? {});
        expect(types, `${name} ${status}`).toEqual(["application/json"]);
      }
      const inPath = [...operation.path.matchAll(/\{(\w+)\}/g)].map(
        ([, parameter = ""]) => parameter,
      );
      const declared = operation.parameters.filter((parameter) => parameter.in === "path");
      expect(declared.map((parameter) => parameter.name).sort(), name).toEqual(inPath.sort());
      expect(
        declared.every((parameter) => parameter.required),
        name,
      ).toBe(true);
    }
    expect(ids.size).toBe(listOperations(document).length);
  });

  it("refers only to schemas it has, and has none that nothing refers to", () => {
    const text = JSON.stringify(document);
    const referred = [...text.matchAll(/"#\/components\/schemas\/(\w+)"/g)].map(
      ([, name = ""]) => name,
    );
    expect([...new Set(referred)].sort()).toEqual(Object.keys(document.components.schemas).sort());
    // An empty choice can be met by nothing.
    expect(text).not.toContain('"anyOf":[]');
  });
});

describe("the pages of the documentation", () => {
  it("come from the server alone, and forbid everything else", async () => {
    const page = await server.request("/docs", { token: null });
    expect(page.status).toBe(200);
    expect(page.headers.get("content-security-policy")).toContain("default-src 'none'");
    const html = String(page.body);
    const assets = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, path]) => path ?? "");
    expect(assets.length).toBeGreaterThan(3);
    // No script in the page itself, or the policy would stop it.
    expect(html).not.toMatch(/<script(?![^>]*\ssrc=)[^>]*>\s*\S/);
    for (const asset of assets) {
      expect(asset).toMatch(/^\/docs\//);
      expect((await server.fetch(asset, { token: null })).status, asset).toBe(200);
    }
  });
});
