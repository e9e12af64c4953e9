import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { startTestServer, type TestServer } from "./support/test-server.js";

interface Documented {
  readonly paths: Record<string, Record<string, { readonly security?: readonly object[] }>>;
}

const page = readFileSync(join(import.meta.dirname, "../../../docs/api.md"), "utf8");
/** Route → who may call it, from the tables of the page. */
const written = [...page.matchAll(/^\| `((?:GET|POST|PUT|PATCH|DELETE) [^`]+)`\s*\| (\w+)/gm)].map(
  (match): [string, string] => [match[1] ?? "", match[2] ?? ""],
);

let server: TestServer;
let served: Map<string, string>;

beforeAll(async () => {
  server = await startTestServer();
  const { paths } = (await server.request("/openapi.json")).body as Documented;
  served = new Map(
    Object.entries(paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, { security = [] }]): [string, string] => [
        `${method.toUpperCase()} ${path}`,
        whoOf(security),
      ]),
    ),
  );
});
afterAll(() => server?.[Symbol.asyncDispose]());

/** The word of the page for who may call. */
function whoOf(security: readonly object[]): string {
  const schemes = security.flatMap((scheme) => Object.keys(scheme));
  if (schemes.length === 0) return "everybody";
  if (!schemes.includes("workspace")) return "admin";
  return security.some((scheme) => Object.keys(scheme).length === 0) ? "agent" : "workspace";
}

it("names every route of the server on the page, and no other", () => {
  const names = written.map(([route]) => route);
  expect([...served.keys()].filter((route) => !names.includes(route))).toEqual([]);
  expect(names.filter((route) => !served.has(route))).toEqual([]);
});

it("names each route once", () => {
  const names = written.map(([route]) => route);
  expect(names.filter((route, at) => names.indexOf(route) !== at)).toEqual([]);
});

it("says of each route who may call it", () => {
  expect(written.filter(([route, who]) => served.get(route) !== who)).toEqual([]);
});
