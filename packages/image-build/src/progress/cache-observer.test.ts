import type { BuildVertex } from "@molecule-ai/core";
import { describe, expect, it } from "vitest";
import type { CacheRef } from "../cache/cache-ref.js";
import { createCacheObserver } from "./cache-observer.js";

const vertex = (name: string, status: BuildVertex["status"], error?: string): BuildVertex => ({
  type: "build.vertex",
  id: name,
  name,
  status,
  error,
});
const from = (type: string, ref: string): CacheRef => ({ type, ref, direction: "import" });
const to = (type: string, ref: string): CacheRef => ({ type, ref, direction: "export" });
const built = { builder: "b", steps: 2, cachedSteps: 1 };

describe("what became of the caches of a build", () => {
  it("is told by the steps that looked for them", () => {
    const observer = createCacheObserver({
      imports: [
        from("local", "/one"),
        from("local", "/two"),
        from("registry", "r.io/c:b"),
        from("registry", "r.io/c:main"),
        from("registry", "r.io/c:never"),
      ],
      exports: [to("registry", "r.io/c:b"), to("local", "/one"), to("inline", "")],
    });
    observer.accept(vertex("importing cache manifest from local:1", "completed"));
    observer.accept(vertex("importing cache manifest from local:2", "failed", "x"));
    observer.accept(vertex("importing cache manifest from r.io/c:b", "started"));
    observer.accept(vertex("importing cache manifest from r.io/c:b", "failed", "not found"));
    observer.accept(vertex("importing cache manifest from r.io/c:main", "completed"));
    observer.accept(vertex("exporting cache to registry", "failed", "denied"));
    observer.accept(vertex("exporting cache to client directory", "completed"));
    expect(observer.resolution(built)).toEqual({
      mode: "hybrid",
      local: "hit",
      external: "miss",
      fallback: "hit",
      result: "hit",
      builder: "b",
      imports: [
        { ref: "/one", verdict: "hit" },
        { ref: "/two", verdict: "miss" },
        { ref: "r.io/c:b", verdict: "miss" },
        { ref: "r.io/c:main", verdict: "hit" },
        { ref: "r.io/c:never", verdict: "skipped" },
      ],
      exports: [
        { ref: "r.io/c:b", outcome: "refused", reason: "denied" },
        { ref: "/one", outcome: "exported" },
        { ref: "", outcome: "skipped" },
      ],
    });
  });

  it("is a refusal for every export once the build had to do without", () => {
    const observer = createCacheObserver({ imports: [], exports: [to("gha", "a"), to("s3", "b")] });
    observer.refuseExports("unknown cache exporter");
    expect(observer.resolution(built)).toMatchObject({
      mode: "shared",
      exports: [
        { outcome: "refused", reason: "unknown cache exporter" },
        { outcome: "refused", reason: "unknown cache exporter" },
      ],
    });
  });

  it("is nothing without caches, and the builder's own still counts", () => {
    const none = createCacheObserver(undefined);
    expect(none.resolution(built)).toMatchObject({ mode: "off", local: "skipped", result: "hit" });
    const unused = { builder: undefined, steps: 2, cachedSteps: 0 };
    expect(none.resolution(unused)).toMatchObject({ result: "miss" });
    // Older BuildKit does not say where to.
    const inline = createCacheObserver({ imports: [], exports: [to("inline", "")] });
    inline.accept(vertex("exporting cache", "completed"));
    expect(inline.resolution(built).exports).toEqual([{ ref: "", outcome: "exported" }]);
  });
});
