import type { BuildOptions } from "@molecule-ai/image-build";
import { EngineError } from "@molecule-ai/docker-engine";
import { describe, expect, test } from "vitest";
import { openRoom, type Room } from "./fixtures/room.js";

const PREFIX = "registry.example.com/team";
const PUSH = { MOLECULE_LOCAL_BUILD_PUSH: PREFIX };
const repository = (room: Room): string => `${PREFIX}/workspace-template-${room.runtime}`;
const pushesOf = ({ engine }: Room): string[] =>
  engine.calls.filter((call) => call.startsWith("push "));
const warningsOf = ({ events }: Room): string[] =>
  events.flatMap((event) => (event.type === "warning" ? [event.code] : []));

describe("an image that is pushed", () => {
  test("has its commit and latest in the registry, and no other name here", async () => {
    await using room = await openRoom();
    const image = await room.source({}, PUSH).ensure(room.runtime, { onEvent: room.onEvent });
    const short = image.revision?.slice(0, 12) ?? "";
    expect(pushesOf(room)).toEqual([
      `push ${repository(room)}:${short}`,
      `push ${repository(room)}:latest`,
    ]);
    expect(image.digest).toMatch(/^sha256:[0-9a-f]{64}$/);
    expect(room.engine.tagsOf(image.imageId)).toEqual([
      image.ref,
      image.ref.replace(/:.*/, ":latest"),
    ]);
    expect(room.events).toContainEqual(
      expect.objectContaining({ type: "stage.finished", stage: "push", outcome: "pushed" }),
    );
  });

  test("is not pushed again when it starts again, also by another process", async () => {
    await using room = await openRoom();
    const image = await room.source({}, PUSH).ensure(room.runtime);
    room.engine.calls.length = 0;
    expect(await room.source({}, PUSH).ensure(room.runtime)).toEqual({
      ...image,
      outcome: "present",
    });
    expect(pushesOf(room)).toEqual([]);
    expect(room.engine.calls.some((call) => call.includes(PREFIX))).toBe(false);
  });

  test("has a tag of every commit it stands for", async () => {
    await using room = await openRoom();
    const source = room.source({}, PUSH);
    await source.ensure(room.runtime);
    const sha = await room.repository.commit({});
    room.engine.calls.length = 0;
    expect(await source.ensure(room.runtime)).toMatchObject({ outcome: "retagged" });
    expect(pushesOf(room)[0]).toBe(`push ${repository(room)}:${sha.slice(0, 12)}`);
  });

  test("does not move latest when its commit was named", async () => {
    await using room = await openRoom();
    const sha = await room.repository.head();
    await room.source({}, PUSH).ensure(room.runtime, { ref: sha });
    expect(pushesOf(room)).toEqual([`push ${repository(room)}:${sha.slice(0, 12)}`]);
    // Following the head later does.
    await room.source({}, PUSH).ensure(room.runtime);
    expect(pushesOf(room).at(-1)).toBe(`push ${repository(room)}:latest`);
  });

  test("leaves the name to whoever had it here before", async () => {
    await using room = await openRoom();
    const other = room.engine.add({ tags: [`${repository(room)}:latest`], labels: {} });
    await room.source({}, PUSH).ensure(room.runtime);
    expect(room.engine.tagsOf(other)).toEqual([`${repository(room)}:latest`]);
  });

  test("starts although its registry refuses it, and is pushed at the next start", async () => {
    await using room = await openRoom();
    let refuses = true;
    room.engine.before = (call) => {
      if (refuses && call.startsWith("push ")) {
        throw new EngineError("ERR_PUSH_FORBIDDEN", "The registry forbids it.");
      }
    };
    const source = room.source({}, PUSH);
    const image = await source.ensure(room.runtime, { onEvent: room.onEvent });
    expect(image).toMatchObject({ outcome: "built", digest: undefined });
    expect(warningsOf(room)).toEqual(["WARN_LOCAL_BUILD_PUSH"]);
    expect(room.events).toContainEqual(
      expect.objectContaining({ type: "stage.finished", stage: "push", outcome: "refused" }),
    );
    expect(room.engine.tagsOf(image.imageId).some((tag) => tag.startsWith(PREFIX))).toBe(false);
    refuses = false;
    expect(await source.ensure(room.runtime)).toMatchObject({
      outcome: "present",
      digest: expect.stringMatching(/^sha256:/) as string,
    });
  });

  test("is not pushed offline, and not when nobody asks for it", async () => {
    await using room = await openRoom();
    await room.source().ensure(room.runtime);
    await room.source({}, PUSH).ensure(room.runtime, { offline: true });
    expect(pushesOf(room)).toEqual([]);
  });

  test("is let go of when the start is aborted", async () => {
    await using room = await openRoom();
    const abort = new AbortController();
    const reason = new Error("enough");
    room.engine.before = (call) => {
      if (call.startsWith("push ")) abort.abort(reason);
    };
    const ensured = room.source({}, PUSH).ensure(room.runtime, { signal: abort.signal });
    await expect(ensured).rejects.toBe(reason);
    await expect
      .poll(() => room.engine.stored.flatMap(({ tags }) => [...tags]))
      .not.toContainEqual(expect.stringContaining(PREFIX));
  });
});

describe("a build", () => {
  const CACHE = { MOLECULE_LOCAL_BUILD_CACHE_REF: "registry.example.com/team/cache" };

  async function cacheOf(
    room: Room,
    options: { readonly ref?: string; readonly platform?: string; readonly env?: typeof CACHE },
  ): Promise<BuildOptions["cache"]> {
    let seen: BuildOptions["cache"];
    const builder = room.engine.builder(({ cache }) => {
      seen = cache;
    });
    const { platform, ref, env = CACHE } = options;
    const source = room.source({ builder, platform }, env);
    await source.ensure(room.runtime, { ref });
    return seen;
  }

  test("shares its cache under a tag of its repository, ref and kind of machine", async () => {
    await using room = await openRoom();
    const main = await cacheOf(room, {});
    const ref = main?.exports[0]?.ref ?? "";
    expect(ref).toMatch(
      /^registry\.example\.com\/team\/cache:cache-arm64-[0-9a-f]{8}-main-[0-9a-f]{8}$/,
    );
    expect(main).toMatchObject({
      mode: "shared",
      imports: [{ type: "registry", ref }],
      exports: [{ type: "registry", ref, mode: "max" }],
    });
    const amd64 = await cacheOf(room, { platform: "linux/amd64" });
    expect(amd64?.exports[0]?.ref).toBe(ref.replace("arm64", "amd64"));
  });

  test("of another ref reads that of the main branch when it has none of its own", async () => {
    await using room = await openRoom();
    const sha = await room.repository.head();
    const cache = await cacheOf(room, { ref: sha });
    const [own, fallback] = cache?.imports ?? [];
    expect(own?.ref).not.toBe(fallback?.ref);
    expect(fallback?.ref).toMatch(/-main-[0-9a-f]{8}$/);
    expect(cache?.exports.map(({ ref }) => ref)).toEqual([own?.ref]);
  });

  test("shares none when none is named", async () => {
    await using room = await openRoom();
    expect(await cacheOf(room, { env: {} as typeof CACHE })).toBeUndefined();
    expect(room.engine.calls).not.toContain("info");
  });

  test("that puts its image elsewhere than on the engine has failed", async () => {
    await using room = await openRoom();
    room.engine.loads = false;
    await expect(room.source().ensure(room.runtime)).rejects.toMatchObject({
      code: "ERR_LOCAL_BUILD_NOT_LOADED",
    });
    expect(await room.cached()).toEqual([room.runtime]);
  });
});
