import { stripControlCharacters } from "@molecule-ai/core";
import fc from "fast-check";
import { expect, test } from "vitest";
import { cacheRefFlag } from "./cache-ref-flag.js";

const refusal = expect.objectContaining({ code: "ERR_BUILD_CACHE_SETTINGS" });

test("the type comes first, then the place, the mode, and attributes by name", () => {
  expect(
    cacheRefFlag({
      type: "registry",
      ref: "r.io/a:t",
      direction: "export",
      mode: "max",
      attributes: { "oci-mediatypes": "true", "ignore-error": "true" },
    }),
  ).toBe("type=registry,ref=r.io/a:t,mode=max,ignore-error=true,oci-mediatypes=true");
});

test("a type without a place has none", () => {
  expect(cacheRefFlag({ type: "inline", ref: "", direction: "export" })).toBe("type=inline");
  expect(
    cacheRefFlag({
      type: "s3",
      ref: "",
      direction: "import",
      attributes: { bucket: "b", region: "r" },
    }),
  ).toBe("type=s3,bucket=b,region=r");
});

test("secrets and control characters are refused", () => {
  const s3 = { type: "s3", ref: "", direction: "import" } as const;
  expect(() => cacheRefFlag({ ...s3, attributes: { secret_access_key: "x" } })).toThrow(refusal);
  expect(() => cacheRefFlag({ ...s3, attributes: { bucket: "a\nb" } })).toThrow(refusal);
  expect(() => cacheRefFlag({ ...s3, attributes: { "a=b": "c" } })).toThrow(refusal);
});

test("whatever is in a path, the flag is one CSV record that gives it back", () => {
  fc.assert(
    fc.property(fc.string(), (path) => {
      const flag = (): string =>
        cacheRefFlag({ type: "local", ref: `/${path}`, direction: "import" });
      if (/[\n\t]/.test(path) || stripControlCharacters(path) !== path)
        expect(flag).toThrow(refusal);
      else expect(csvFields(flag())).toEqual(["type=local", `src=/${path}`]);
    }),
  );
});

/** As encoding/csv of Go reads one record. */
function csvFields(record: string): readonly string[] {
  const fields = [...record.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^",]*))/g)];
  expect(fields.map(([whole]) => whole).join("")).toBe(record);
  return fields.map(([, quoted, plain]) => quoted?.replaceAll('""', '"') ?? plain ?? "");
}
