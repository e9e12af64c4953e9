import fc from "fast-check";
import { expect, test } from "vitest";
import { isCacheExportFailure } from "./export-failure.js";

test.each([
  "ERROR exporting cache to registry",
  "error: failed to export cache: x",
  "ERROR: failed to solve: error writing layer blob: failed to copy: 503 Service Unavailable",
  "error writing manifest blob: failed to do request: EOF",
  "server message: insufficient_scope: authorization failed",
  "failed to push r.io/cache:x: error writing layer blob: server message: insufficient_scope",
  'ERROR: failed to solve: unknown cache exporter: "registry"',
  "failed to configure registry cache exporter: invalid reference format",
  "ERROR: Cache export is not supported for the docker driver.",
  "ERROR: cache export feature is currently not supported for docker driver.",
])("%s: the build can do without the export", (text) => {
  expect(isCacheExportFailure(text)).toBe(true);
});

test.each([
  "compile failed",
  'ERROR: process "/bin/sh -c echo exporting cache; exit 1" did not complete successfully: exit code: 1',
  "pull access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed",
  "failed to push cr.example.com/app:1: server message: insufficient_scope: authorization failed",
  "",
])("%s: another build would fail the same way", (text) => {
  expect(isCacheExportFailure(text)).toBe(false);
});

test("any text is judged, and a long line quickly", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      expect(typeof isCacheExportFailure(text)).toBe("boolean");
    }),
  );
  const started = performance.now();
  isCacheExportFailure("failed to configure ".repeat(200_000));
  isCacheExportFailure(`failed to configure ${"x".repeat(4_000_000)}`);
  expect(performance.now() - started).toBeLessThan(15_000);
});
