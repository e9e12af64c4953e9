import { chmod, readdir, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { isProvisionerError, LABELS, ProvisionerError } from "@molecule-ai/core";
import { RegistryModeError } from "@molecule-ai/registry-mode";
import { describe, expect, test } from "vitest";
import { LocalBuildError } from "../src/index.js";
import { openRoom, TEMPLATE, type Room } from "./fixtures/room.js";

const REPOSITORY = "molecule-local/workspace-template-langgraph";

async function failure(work: Promise<unknown>): Promise<ProvisionerError> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!isProvisionerError(error)) throw new Error("expected a failure", { cause: error });
  return error;
}

function stages(room: Room): string[] {
  return room.events.flatMap((event) =>
    event.type === "stage.finished" ? [`${event.stage}: ${event.outcome}`] : [],
  );
}

function builds(room: Room): string[] {
  return room.engine.calls.filter((call) => call.startsWith("build"));
}

function warnings(room: Room): string[] {
  return room.events.flatMap((event) => (event.type === "warning" ? [event.code] : []));
}

describe("the way of a build", () => {
  test("an absent image is looked up, checked out, built and tagged, in that order", async () => {
    await using room = await openRoom();
    const sha = await room.repository.head();
    const image = await room.source().ensure("langgraph", { onEvent: room.onEvent });
    expect(image).toMatchObject({
      ref: `${REPOSITORY}:${sha.slice(0, 12)}`,
      revision: sha,
      tree: await room.repository.tree(sha),
      source: room.repository.url,
      outcome: "built",
      templatePath: join(room.cacheDirectory, "langgraph", sha.slice(0, 12)),
    });
    expect(stages(room)).toEqual([`head: ${sha.slice(0, 12)}`, "checkout: git", "build: built"]);
    expect(room.engine.tagsOf(image.imageId)).toEqual([
      `${REPOSITORY}:${sha.slice(0, 12)}`,
      `${REPOSITORY}:latest`,
    ]);
  });

  test("the image's labels name repository, commit, tree, commit time, platform, settings and install", async () => {
    await using room = await openRoom();
    const sha = await room.repository.head();
    await room.source({ platform: "linux/amd64" }).ensure("langgraph");
    const { committedAt = "" } = (await room.repository.describe(sha)) ?? {};
    expect(room.engine.stored[0]?.labels).toEqual({
      [LABELS.source]: room.repository.url,
      [LABELS.revision]: sha,
      [LABELS.tree]: await room.repository.tree(sha),
      [LABELS.created]: new Date(committedAt).toISOString(),
      [LABELS.platform]: "linux/amd64",
      [LABELS.settings]: JSON.stringify(["linux/amd64", null]),
      [LABELS.runtime]: "langgraph",
      [LABELS.builtBy]: "test-install",
    });
  });

  test("the build gets the template without .git, the platform, the limits and the commit's time", async () => {
    await using room = await openRoom();
    const seen: unknown[] = [];
    const builder = room.engine.builder(async (options) => {
      if (options.context.kind !== "directory") throw new Error("no directory");
      seen.push(
        (await readdir(options.context.path)).sort(),
        options.platform,
        options.dockerfile,
        options.sourceDateEpoch,
        options.limits?.contextFiles,
      );
    });
    await room.source({ builder, platform: "linux/arm64" }).ensure("langgraph");
    expect(seen).toEqual([
      ["Dockerfile", "bin", "config.yaml"],
      "linux/arm64",
      "Dockerfile",
      Date.UTC(2026, 0, 1) / 1000,
      50_000,
    ]);
  });

  test("a present image costs one inspect: no lock, no checkout, no build, no tag", async () => {
    await using room = await openRoom();
    const source = room.source();
    const built = await source.ensure("langgraph");
    room.engine.calls.length = 0;
    await rm(join(room.cacheDirectory, ".locks"), { recursive: true });
    const before = room.gitea.requests.length;
    const present = await source.ensure("langgraph", { onEvent: room.onEvent });
    expect(present).toEqual({ ...built, outcome: "present" });
    expect(room.engine.calls).toEqual([`inspect ${REPOSITORY}:latest`]);
    expect(room.gitea.requests.length).toBe(before + 1);
    expect(await readdir(room.cacheDirectory)).not.toContain(".locks");
    expect(stages(room).at(-1)).toBe("build: cache hit");
  });

  test("a present image that lost its latest tag gets it back", async () => {
    await using room = await openRoom();
    const source = room.source();
    const built = await source.ensure("langgraph");
    await room.engine.engine.images.remove(`${REPOSITORY}:latest`);
    await source.ensure("langgraph");
    expect(room.engine.tagsOf(built.imageId)).toContain(`${REPOSITORY}:latest`);
  });

  test("a failing latest tag is a warning, and the build a success", async () => {
    await using room = await openRoom();
    room.engine.before = (call) => {
      if (call.endsWith(":latest")) throw new Error("tag refused");
    };
    const image = await room.source().ensure("langgraph", { onEvent: room.onEvent });
    expect(image.outcome).toBe("built");
    expect(warnings(room)).toEqual(["WARN_LOCAL_BUILD_LATEST_TAG"]);
  });

  test("an engine that cannot say whether the image exists makes it build", async () => {
    await using room = await openRoom();
    room.engine.before = (call) => {
      if (call.startsWith("inspect")) throw new ProvisionerError("ERR_ENGINE_SERVER", "500");
    };
    const image = await room.source().ensure("langgraph", { onEvent: room.onEvent });
    expect(image.outcome).toBe("built");
    expect(warnings(room)).toContain("WARN_LOCAL_BUILD_IMAGE_LOOKUP");
  });

  test("an engine that is not there fails at once, before anything is fetched", async () => {
    await using room = await openRoom();
    room.engine.before = () => {
      throw new ProvisionerError("ERR_ENGINE_UNREACHABLE", "no engine");
    };
    const error = await failure(room.source().ensure("langgraph"));
    expect(error.code).toBe("ERR_ENGINE_UNREACHABLE");
    expect(await room.cached()).toEqual([]);
  });

  test("a commit of a sha256 repository is built like any other", async () => {
    await using room = await openRoom({ objectFormat: "sha256" });
    const sha = await room.repository.head();
    expect(sha).toHaveLength(64);
    for (const git of ["git", ""]) {
      await using other = room.source({}, { MOLECULE_GIT_PATH: git });
      const image = await other.ensure("langgraph");
      expect(image).toMatchObject({ revision: sha, tree: await room.repository.tree(sha) });
    }
  });
});

describe("refusals", () => {
  test.each(["nope", "../langgraph", "langgraph/../x", ""])(
    "runtime %j is refused before network, engine or disk are touched",
    async (runtime) => {
      await using room = await openRoom();
      const error = await failure(room.source().ensure(runtime));
      expect(error).toBeInstanceOf(RegistryModeError);
      expect(room.gitea.requests).toEqual([]);
      expect(room.engine.calls).toEqual([]);
      expect(await readdir(room.cacheDirectory)).toEqual([]);
    },
  );

  test("a server that is down fails with runtime and repository named; nothing else is tried", async () => {
    await using room = await openRoom();
    const source = room.source({ repositoryPrefix: "http://127.0.0.1:9/molecule-ai/template-" });
    const error = await failure(source.ensure("langgraph", { onEvent: room.onEvent }));
    expect(error.code).toBe("ERR_LOCAL_BUILD_HEAD");
    expect(error.message).toContain("langgraph");
    expect(error.message).toContain("http://127.0.0.1:9/molecule-ai/template-langgraph");
    expect(error.hint).toContain("offline");
    expect(room.engine.calls).toEqual([`inspect ${REPOSITORY}:latest`]);
    expect(await readdir(room.cacheDirectory)).toEqual([]);
  });

  test.each([404, 401, 403, 500])(
    "HTTP %i of the head lookup keeps the client's cause",
    async (status) => {
      await using room = await openRoom();
      room.gitea.setFault({ kind: "status", status });
      const error = await failure(room.source().ensure("langgraph"));
      expect(error.code).toBe("ERR_LOCAL_BUILD_HEAD");
      expect(isProvisionerError(error.cause)).toBe(true);
      expect(error.details["causeCode"]).toMatch(/^ERR_GITEA_/);
      expect(builds(room)).toEqual([]);
    },
  );

  test.each(["short-sha", "non-hex-sha", "missing-sha", "html", "malformed", "oversized"] as const)(
    "a head answer that is %s builds nothing",
    async (kind) => {
      await using room = await openRoom();
      room.gitea.setFault({ kind });
      expect((await failure(room.source().ensure("langgraph"))).code).toBe("ERR_LOCAL_BUILD_HEAD");
      expect(builds(room)).toEqual([]);
    },
  );

  test("credentials in the repository prefix appear in no error, event or label", async () => {
    await using room = await openRoom();
    const prefix = `${room.gitea.baseUrl.replace("//", "//user:pa%40ssword@")}/molecule-ai/template-`;
    const source = room.source({ repositoryPrefix: prefix });
    room.gitea.setFault({ kind: "status", status: 500 });
    const error = await failure(source.ensure("langgraph", { onEvent: room.onEvent }));
    room.gitea.setFault(undefined);
    await source.ensure("langgraph", { onEvent: room.onEvent });
    const everything = JSON.stringify([error, room.events, room.engine.stored]);
    expect(everything).not.toMatch(/pa%40ssword|pa@ssword|user:/);
  });
});

describe("bad templates leave nothing behind", () => {
  const cases: [string, NonNullable<Parameters<typeof openRoom>[0]>["files"], string][] = [
    ["no Dockerfile", { "README.md": "x" }, "ERR_LOCAL_BUILD_NO_DOCKERFILE"],
    ["a Dockerfile that is a directory", { "Dockerfile/x": "y" }, "ERR_LOCAL_BUILD_NO_DOCKERFILE"],
    [
      "a Dockerfile that links out of the tree",
      { Dockerfile: { symlink: "../../../../etc/passwd" } },
      "ERR_LOCAL_BUILD_UNSAFE_TEMPLATE",
    ],
    [
      "a Dockerfile that dangles",
      { Dockerfile: { symlink: "nothing-here" } },
      "ERR_LOCAL_BUILD_NO_DOCKERFILE",
    ],
    [
      "an absolute link",
      { ...TEMPLATE, passwd: { symlink: "/etc/passwd" } },
      "ERR_LOCAL_BUILD_UNSAFE_TEMPLATE",
    ],
  ];
  describe.each(["git", ""])("checked out with %j", (git) => {
    test.each(cases)("%s", async (_name, files, code) => {
      await using room = await openRoom({ files });
      const source = room.source({}, { MOLECULE_GIT_PATH: git });
      const error = await failure(source.ensure("langgraph", { onEvent: room.onEvent }));
      expect(error.code).toBe(code);
      expect(builds(room)).toEqual([]);
      expect(await room.cached()).toEqual(["langgraph"]);
      expect(room.events.at(-1)?.type).toBe("undone");
    });
  });

  test("a Dockerfile that is a link inside the tree is built", async () => {
    await using room = await openRoom({
      files: { Dockerfile: { symlink: "docker/main" }, "docker/main": "FROM scratch\n" },
    });
    const seen: unknown[] = [];
    const builder = room.engine.builder((options) => void seen.push(options.dockerfile));
    await room.source({ builder }).ensure("langgraph");
    expect(seen).toEqual(["docker/main"]);
  });
});

describe("failed builds", () => {
  test("the error names image and repository, keeps the builder's facts, and the checkout goes", async () => {
    await using room = await openRoom();
    const builder = room.engine.builder(() => {
      throw new ProvisionerError("ERR_BUILD_STEP", "RUN false failed", {
        hint: "Fix line 2.",
        details: { instruction: "RUN false", exitCode: 1, lastLines: ["oh no"] },
      });
    });
    const source = room.source({ builder });
    const error = await failure(source.ensure("langgraph", { onEvent: room.onEvent }));
    const sha = await room.repository.head();
    expect(error.code).toBe("ERR_LOCAL_BUILD_FAILED");
    expect(error.message).toContain(`Building ${REPOSITORY}:${sha.slice(0, 12)}`);
    expect(error.hint).toBe("Fix line 2.");
    expect(error.details).toMatchObject({
      instruction: "RUN false",
      exitCode: 1,
      lastLines: ["oh no"],
      revision: sha,
      causeCode: "ERR_BUILD_STEP",
    });
    expect(isProvisionerError(error.cause, "ERR_BUILD_STEP")).toBe(true);
    expect(await room.cached()).toEqual(["langgraph"]);
    expect(room.engine.stored).toEqual([]);
    expect(room.events.at(-1)?.type).toBe("undone");
  });

  test("a build that succeeds after a failed one starts from a fresh checkout", async () => {
    await using room = await openRoom();
    let attempts = 0;
    const builder = room.engine.builder(() => {
      attempts += 1;
      if (attempts === 1) throw new Error("out of luck");
    });
    const source = room.source({ builder });
    await failure(source.ensure("langgraph"));
    expect((await source.ensure("langgraph", { onEvent: room.onEvent })).outcome).toBe("built");
    expect(stages(room)).toContain("checkout: git");
  });
});

describe("exactly that commit", () => {
  test.each(["git", ""])(
    "a push between lookup and checkout does not change what is built (git %j)",
    async (git) => {
      await using room = await openRoom();
      const sha = await room.repository.head();
      room.gitea.setFault({ kind: "moving-head", files: { "config.yaml": "name: later\n" } });
      const image = await room.source({}, { MOLECULE_GIT_PATH: git }).ensure("langgraph");
      expect(await room.repository.head()).not.toBe(sha);
      expect(image).toMatchObject({ revision: sha, tree: await room.repository.tree(sha) });
      expect(room.engine.stored[0]?.labels[LABELS.revision]).toBe(sha);
    },
  );

  test("a stale directory where the checkout goes is replaced", async () => {
    await using room = await openRoom();
    const source = room.source();
    const { templatePath = "" } = await source.ensure("langgraph");
    await rm(`${templatePath}.json`);
    await writeFile(join(templatePath, "config.yaml"), "stale");
    room.engine.stored.length = 0;
    await source.ensure("langgraph");
    expect((await stat(join(templatePath, "config.yaml"))).size).toBe("name: test\n".length);
  });

  test("a cached checkout that was edited is not built: the commit is fetched again", async () => {
    await using room = await openRoom();
    const source = room.source();
    const { templatePath = "" } = await source.ensure("langgraph");
    await writeFile(join(templatePath, "Dockerfile"), "FROM evil\n");
    room.engine.stored.length = 0;
    await source.ensure("langgraph", { onEvent: room.onEvent });
    expect(stages(room)).toContain("checkout: git");
    expect((await stat(join(templatePath, "Dockerfile"))).size).toBe(TEMPLATE.Dockerfile.length);
  });

  test("an untouched cached checkout is built without fetching", async () => {
    await using room = await openRoom();
    const source = room.source();
    await source.ensure("langgraph");
    room.engine.stored.length = 0;
    expect((await source.ensure("langgraph", { onEvent: room.onEvent })).outcome).toBe("built");
    expect(stages(room).filter((stage) => stage.startsWith("checkout"))).toEqual([]);
  });

  test("a branch, a tag and a full commit can be asked for; latest does not follow them", async () => {
    await using room = await openRoom();
    const first = await room.repository.head();
    await room.repository.tag("v1");
    const dev = await room.repository.commit({ dev: "1" }, { branch: "dev" });
    await room.repository.commit({ main: "2" });
    const source = room.source();
    expect((await source.ensure("langgraph", { ref: "dev" })).revision).toBe(dev);
    expect((await source.ensure("langgraph", { ref: "v1" })).revision).toBe(first);
    expect((await source.ensure("langgraph", { ref: first })).outcome).toBe("present");
    expect(room.engine.stored.flatMap((image) => [...image.tags])).not.toContain(
      `${REPOSITORY}:latest`,
    );
  });

  test("a repository without main is built from its default branch", async () => {
    await using room = await openRoom({ defaultBranch: "master" });
    const image = await room.source().ensure("langgraph");
    expect(image.revision).toBe(await room.repository.head());
  });

  test("a ref that could be taken for an option is refused", async () => {
    await using room = await openRoom();
    const error = await failure(room.source().ensure("langgraph", { ref: "--upload-pack=x" }));
    expect(error.code).toBe("ERR_RUNTIME_REF_INVALID");
    expect(room.gitea.requests).toEqual([]);
  });
});

describe("which image is believed", () => {
  test("an image without our labels under the commit's tag is built over", async () => {
    await using room = await openRoom();
    const sha = await room.repository.head();
    room.engine.add({ tags: [`${REPOSITORY}:${sha.slice(0, 12)}`], labels: {} });
    expect((await room.source().ensure("langgraph")).outcome).toBe("built");
  });

  test("twelve digits of another commit are not this commit", async () => {
    await using room = await openRoom();
    const source = room.source();
    await source.ensure("langgraph");
    const sha = await room.repository.head();
    const [image] = room.engine.stored;
    const twin = sha.slice(0, 12) + "0".repeat(28);
    room.engine.add({
      tags: [...(image?.tags ?? [])],
      labels: { ...image?.labels, [LABELS.revision]: twin, [LABELS.tree]: "1".repeat(40) },
    });
    expect((await source.ensure("langgraph")).outcome).toBe("built");
  });

  test.each([
    ["another platform", { platform: "linux/arm64" }],
    ["other build arguments", { build: { buildArgs: { A: "1" } } }],
  ])("an image of %s is not a hit, nor re-tagged", async (_name, overrides) => {
    await using room = await openRoom();
    await room.source().ensure("langgraph");
    expect((await room.source(overrides).ensure("langgraph")).outcome).toBe("built");
  });

  test("an image that claims another tree than the checkout has is built over", async () => {
    await using room = await openRoom();
    const source = room.source();
    await source.ensure("langgraph");
    const [image] = room.engine.stored;
    room.engine.add({
      tags: [...(image?.tags ?? [])],
      labels: { ...image?.labels, [LABELS.tree]: "1".repeat(40) },
    });
    expect((await source.ensure("langgraph")).outcome).toBe("built");
  });
});

describe("a new commit of the same tree", () => {
  test("is tagged, not built, and believed from then on", async () => {
    await using room = await openRoom();
    const source = room.source();
    const first = await source.ensure("langgraph");
    const sha = await room.repository.commit({});
    const second = await source.ensure("langgraph", { onEvent: room.onEvent });
    expect(second).toMatchObject({
      ref: `${REPOSITORY}:${sha.slice(0, 12)}`,
      imageId: first.imageId,
      revision: sha,
      tree: first.tree,
      outcome: "retagged",
    });
    expect(builds(room)).toHaveLength(1);
    expect(stages(room).at(-1)).toBe("build: re-tagged");
    expect(room.engine.tagsOf(first.imageId)).toContain(`${REPOSITORY}:latest`);
    expect((await source.ensure("langgraph")).outcome).toBe("present");
    expect((await source.ensure("langgraph", { ref: first.revision })).outcome).toBe("present");
  });

  test("is not fetched either: the server tells the tree, and the files are those of the other commit", async () => {
    await using room = await openRoom();
    const source = room.source();
    const { templatePath: first = "" } = await source.ensure("langgraph");
    const sha = await room.repository.commit({});
    const before = room.gitea.requests.length;
    const { templatePath: second = "" } = await source.ensure("langgraph", {
      onEvent: room.onEvent,
    });
    expect(room.gitea.requests.slice(before).map(({ part }) => part)).toEqual(["api", "api"]);
    expect(stages(room)).toContain("checkout: copy");
    expect(second).toBe(join(room.cacheDirectory, "langgraph", sha.slice(0, 12)));
    expect((await readdir(second, { recursive: true })).sort()).toEqual(
      (await readdir(first, { recursive: true })).sort(),
    );
    expect((await stat(join(second, "bin/start.sh"))).mode & 0o777).toBe(0o755);
  });

  test.each([
    ["an edited checkout is", async (path: string) => writeFile(join(path, "config.yaml"), "evil")],
    ["a checkout with more in it is", async (path: string) => writeFile(join(path, "more"), "")],
  ])("%s not copied: the commit is fetched", async (_name, spoil) => {
    await using room = await openRoom();
    const source = room.source();
    const { templatePath = "" } = await source.ensure("langgraph");
    await spoil(templatePath);
    await room.repository.commit({});
    const image = await source.ensure("langgraph", { onEvent: room.onEvent });
    expect(stages(room)).toContain("checkout: git");
    expect(await readdir(image.templatePath ?? "")).not.toContain("more");
  });

  test("that the caller names by its id is fetched and proven, whatever the server says", async () => {
    await using room = await openRoom();
    const source = room.source();
    await source.ensure("langgraph");
    const sha = await room.repository.commit({});
    const image = await source.ensure("langgraph", { ref: sha, onEvent: room.onEvent });
    expect(image.outcome).toBe("retagged");
    expect(stages(room)).toContain("checkout: git");
  });

  test("is believed without the cache directory, by the tag with the whole commit", async () => {
    await using room = await openRoom();
    await room.source().ensure("langgraph");
    const sha = await room.repository.commit({});
    await room.source().ensure("langgraph");
    await rm(room.cacheDirectory, { recursive: true });
    const image = await room.source().ensure("langgraph", { ref: sha, offline: true });
    expect(image).toMatchObject({ revision: sha, outcome: "present" });
  });

  test("an image somebody derived from ours is not taken for ours", async () => {
    await using room = await openRoom();
    await room.source().ensure("langgraph");
    const [image] = room.engine.stored;
    room.engine.stored.length = 0;
    room.engine.add({ tags: ["my/derived:1"], labels: image?.labels ?? {} });
    await room.repository.commit({});
    expect((await room.source().ensure("langgraph")).outcome).toBe("built");
  });
});

describe("offline", () => {
  test("a recorded commit starts from its image and asks no server, online or off", async () => {
    await using room = await openRoom();
    const source = room.source();
    const { revision } = await source.ensure("langgraph");
    const before = room.gitea.requests.length;
    for (const offline of [true, false]) {
      const image = await source.ensure("langgraph", { ref: revision, offline });
      expect(image).toMatchObject({ revision, outcome: "present" });
    }
    expect(room.gitea.requests.length).toBe(before);
  });

  test("a server that fails is never silently worked around", async () => {
    await using room = await openRoom();
    const source = room.source();
    await source.ensure("langgraph");
    room.gitea.setFault({ kind: "drop-connection" });
    expect((await failure(source.ensure("langgraph"))).code).toBe("ERR_LOCAL_BUILD_HEAD");
  });

  test("following the head offline, when asked for, gives what latest means", async () => {
    await using room = await openRoom();
    const source = room.source();
    await source.ensure("langgraph");
    const sha = await room.repository.commit({ a: "1" });
    await source.ensure("langgraph");
    await room.repository.commit({ a: "2" }, { branch: "dev" });
    await source.ensure("langgraph", { ref: "dev" });
    await room.gitea[Symbol.asyncDispose]();
    expect(await source.ensure("langgraph", { offline: true })).toMatchObject({ revision: sha });
  });

  test("an image built with other settings starts offline, and says so", async () => {
    await using room = await openRoom();
    const { revision } = await room.source().ensure("langgraph");
    const changed = room.source({ build: { buildArgs: { A: "1" } } });
    const image = await changed.ensure("langgraph", { offline: true, onEvent: room.onEvent });
    expect(image.revision).toBe(revision);
    expect(warnings(room)).toContain("WARN_LOCAL_BUILD_OTHER_SETTINGS");
  });

  test("a commit whose image is gone is built from its files, with no server", async () => {
    await using room = await openRoom();
    const source = room.source();
    const { revision } = await source.ensure("langgraph");
    room.engine.stored.length = 0;
    await room.gitea[Symbol.asyncDispose]();
    expect(await source.ensure("langgraph", { ref: revision, offline: true })).toMatchObject({
      revision,
      outcome: "built",
    });
  });

  test.each([undefined, "dev", "0".repeat(40)])(
    "ref %j without anything here fails",
    async (ref) => {
      await using room = await openRoom();
      const error = await failure(room.source().ensure("langgraph", { ref, offline: true }));
      expect(error.code).toBe("ERR_LOCAL_BUILD_OFFLINE");
      expect(room.gitea.requests).toEqual([]);
    },
  );

  test("an image of another repository is not the newest of this one", async () => {
    await using room = await openRoom();
    await room.source().ensure("langgraph");
    const fork = room.source({ repositoryPrefix: `${room.gitea.baseUrl}/fork/template-` });
    expect((await failure(fork.ensure("langgraph", { offline: true }))).code).toBe(
      "ERR_LOCAL_BUILD_OFFLINE",
    );
  });
});

describe("the template's files", () => {
  test("missing beside a present image are fetched again", async () => {
    await using room = await openRoom();
    const source = room.source();
    const { templatePath = "", revision } = await source.ensure("langgraph");
    await rm(room.cacheDirectory, { recursive: true });
    for (const ref of [undefined, revision]) {
      const image = await source.ensure("langgraph", { ref, onEvent: room.onEvent });
      expect(image).toMatchObject({ outcome: "present", templatePath });
      expect(await readdir(templatePath)).toContain("config.yaml");
    }
    expect(builds(room)).toHaveLength(1);
  });

  test("that cannot be fetched do not keep a present image from starting", async () => {
    await using room = await openRoom();
    const source = room.source();
    const { revision } = await source.ensure("langgraph");
    await rm(room.cacheDirectory, { recursive: true });
    room.gitea.setFault({ kind: "drop-connection", on: "all" });
    const image = await source.ensure("langgraph", { ref: revision, onEvent: room.onEvent });
    expect(image).toMatchObject({ outcome: "present", templatePath: undefined });
    expect(warnings(room)).toContain("WARN_LOCAL_BUILD_TEMPLATE_MISSING");
  });
});

describe("the cache directory", () => {
  test("that cannot be written is named in the error", async () => {
    await using room = await openRoom();
    const file = join(room.cacheDirectory, "file");
    await writeFile(file, "");
    const source = room.source({}, { MOLECULE_LOCAL_BUILD_CACHE: file });
    const error = await failure(source.ensure("langgraph"));
    expect(error).toBeInstanceOf(LocalBuildError);
    expect(error.code).toBe("ERR_LOCAL_BUILD_CACHE");
    expect(error.message).toContain(file);
  });

  test("where everybody can write must be ours", async () => {
    await using room = await openRoom();
    const source = room.source();
    await source.ensure("langgraph");
    await chmod(room.cacheDirectory, 0o777);
    await using strict = room.source({
      settings: { ...room.settings(), cacheMustBeOwned: true },
    });
    expect((await failure(strict.ensure("langgraph"))).code).toBe("ERR_LOCAL_BUILD_CACHE");
  });
});
