import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openRoom } from "./fixtures/room.js";

describe("checkout", () => {
  it("gives the files of the head, fetched once, and builds nothing", async () => {
    await using room = await openRoom({ files: { Dockerfile: "FROM scratch\n" } });
    await using source = room.source();
    const sha = await room.repository.head();
    const first = await source.checkout("langgraph");
    expect(first).toMatchObject({ sha, tree: await room.repository.tree(sha) });
    expect(await readFile(join(first.path, "Dockerfile"), "utf8")).toBe("FROM scratch\n");
    expect(await source.checkout("langgraph")).toEqual(first);
    expect(room.engine.stored).toEqual([]);
    expect((await source.ensure("langgraph")).templatePath).toBe(first.path);
  });

  it("gives a commit, also offline once it is here", async () => {
    await using room = await openRoom({ files: { Dockerfile: "FROM scratch\n" } });
    await using source = room.source();
    const ref = await room.repository.head();
    await expect(source.checkout("langgraph", { offline: true })).rejects.toMatchObject({
      code: "ERR_LOCAL_BUILD_OFFLINE",
    });
    await expect(source.checkout("langgraph", { ref, offline: true })).rejects.toMatchObject({
      code: "ERR_LOCAL_BUILD_OFFLINE",
    });
    const fetched = await source.checkout("langgraph", { ref });
    expect(fetched.sha).toBe(ref);
    expect(await source.checkout("langgraph", { ref, offline: true })).toEqual(fetched);
    expect(await source.checkout("langgraph", { offline: true })).toEqual(fetched);
  });

  it("does not give files that were changed", async () => {
    await using room = await openRoom({ files: { Dockerfile: "FROM scratch\n" } });
    await using source = room.source();
    const { path } = await source.checkout("langgraph");
    await writeFile(join(path, "Dockerfile"), "FROM evil\n");
    const again = await source.checkout("langgraph");
    expect(await readFile(join(again.path, "Dockerfile"), "utf8")).toBe("FROM scratch\n");
  });

  it("stops when it is aborted, and refuses what is no runtime", async () => {
    await using room = await openRoom({ files: { Dockerfile: "FROM scratch\n" } });
    await using source = room.source();
    const reason = new Error("stop");
    const signal = AbortSignal.abort(reason);
    await expect(source.checkout("langgraph", { signal })).rejects.toBe(reason);
    await expect(source.checkout("nonsense")).rejects.toMatchObject({
      code: "ERR_RUNTIME_UNKNOWN",
    });
  });
});
