import { randomBytes } from "node:crypto";
import { chmod, mkdir, mkdtemp, readFile, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { createGiteaClient, type GiteaClient } from "@molecule-ai/gitea-client";
import type { ProvisionerError } from "@molecule-ai/core";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { archiveOf, streamOf } from "./fixtures/archive-of.js";
import { openRoom, TEMPLATE, type Room } from "./fixtures/room.js";

const BIN = join(import.meta.dirname, "fixtures/bin");

async function failure(work: Promise<unknown>): Promise<ProvisionerError> {
  return work.then(
    () => {
      throw new Error("expected a failure");
    },
    (error: unknown) => error as ProvisionerError,
  );
}

function via(room: Room): string | undefined {
  return room.events.flatMap((event) =>
    event.type === "stage.finished" && event.stage === "checkout" ? [event.outcome] : [],
  )[0];
}

function warnings(room: Room): string[] {
  return room.events.flatMap((event) => (event.type === "warning" ? [event.code] : []));
}

/** A client whose archive is what the test says; everything else is the real one's. */
function clientWith(overrides: Partial<GiteaClient>): GiteaClient {
  const client = createGiteaClient({ retries: 0 });
  return {
    resolveHead: (...args) => client.resolveHead(...args),
    archive: (...args) => client.archive(...args),
    commitTree: (...args) => client.commitTree(...args),
    version: (...args) => client.version(...args),
    [Symbol.asyncDispose]: () => client[Symbol.asyncDispose](),
    ...overrides,
  };
}

describe("git and archive give the same", () => {
  test("files, modes and tree, which is the one git computed", async () => {
    const name = fc
      .array(fc.constantFrom("a", "b", "Z", "0", "-", "_", ".x", " ", "é", "日"), {
        minLength: 1,
        maxLength: 3,
      })
      .map((parts) => `n${parts.join("")}`);
    const content = fc.oneof(
      fc.string({ maxLength: 40 }),
      fc.record({ content: fc.uint8Array({ maxLength: 40 }), executable: fc.boolean() }),
      fc.constant({ symlink: "Dockerfile" }),
    );
    const tree = fc.dictionary(
      fc.oneof(
        name,
        fc.tuple(name, name).map((p) => `d${p.join("/")}`),
      ),
      content,
      {
        maxKeys: 6,
      },
    );
    await fc.assert(
      fc.asyncProperty(tree, async (files) => {
        await using room = await openRoom({
          files: {
            Dockerfile: "FROM scratch\n",
            ...Object.fromEntries(
              Object.entries(files).map(([path, file]) => [
                path,
                typeof file === "object" && "symlink" in file && path.includes("/")
                  ? { symlink: "../Dockerfile" }
                  : file,
              ]),
            ),
          },
        });
        const sha = await room.repository.head();
        const expected = await room.repository.tree(sha);
        const listings: string[] = [];
        for (const git of ["git", ""]) {
          await rm(room.cacheDirectory, { recursive: true });
          room.engine.stored.length = 0;
          await using source = room.source({}, { MOLECULE_GIT_PATH: git });
          const image = await source.ensure("langgraph");
          expect(image.tree).toBe(expected);
          listings.push(await listing(image.templatePath ?? ""));
        }
        expect(listings[0]).toBe(listings[1]);
      }),
      { numRuns: 6 },
    );
  });

  test("modes are 0644 and 0755 whatever the umask", async () => {
    await using room = await openRoom();
    const umask = process.umask(0o077);
    try {
      for (const git of ["git", ""]) {
        await rm(room.cacheDirectory, { recursive: true, force: true });
        room.engine.stored.length = 0;
        await using source = room.source({}, { MOLECULE_GIT_PATH: git });
        const { templatePath = "" } = await source.ensure("langgraph");
        const mode = async (path: string): Promise<number> =>
          (await stat(join(templatePath, path))).mode & 0o777;
        expect([
          await mode("."),
          await mode("bin"),
          await mode("Dockerfile"),
          await mode("bin/start.sh"),
        ]).toEqual([0o755, 0o755, 0o644, 0o755]);
      }
    } finally {
      process.umask(umask);
    }
  });

  async function listing(root: string): Promise<string> {
    const names = (await readdir(root, { recursive: true })).sort();
    const lines = await Promise.all(
      names.map(async (name) => {
        const path = join(root, name);
        const stats = await stat(path);
        const content = stats.isFile() ? (await readFile(path)).toString("hex") : "";
        return `${name} ${stats.mode.toString(8)} ${content}`;
      }),
    );
    return lines.join("\n");
  }
});

describe("by git", () => {
  test("content is what was committed: attributes, filters and line endings convert nothing", async () => {
    const files = {
      ...TEMPLATE,
      ".gitattributes": "* text eol=crlf ident filter=x\n*.u working-tree-encoding=UTF-16\n",
      "a.txt": "one\ntwo $Id$\n",
      "b.u": "plain\n",
    };
    await using room = await openRoom({ files });
    const { templatePath = "", tree, revision } = await room.source().ensure("langgraph");
    expect(await readFile(join(templatePath, "a.txt"), "utf8")).toBe(files["a.txt"]);
    expect(await readFile(join(templatePath, "b.u"), "utf8")).toBe("plain\n");
    expect(tree).toBe(await room.repository.tree(revision ?? ""));
  });

  test("hooks, templates and settings of the machine are not used", async () => {
    await using room = await openRoom();
    const home = await mkdtemp(join(tmpdir(), "home-"));
    const trap = join(home, "trap");
    const hooks = join(home, "hooks");
    await mkdir(hooks);
    for (const hook of ["post-checkout", "reference-transaction", "post-index-change"]) {
      await writeFile(join(hooks, hook), `#!/bin/sh\ntouch ${trap}\n`);
      await chmod(join(hooks, hook), 0o755);
    }
    await writeFile(
      join(home, ".gitconfig"),
      `[core]\n\thooksPath = ${hooks}\n[init]\n\ttemplateDir = ${home}\n[url "file:///"]\n\tinsteadOf = http://\n`,
    );
    // Even handed over explicitly, they must lose against our own environment.
    const settings = room.settings();
    const gitEnv = { ...settings.gitEnv, HOME: home, GIT_CONFIG_GLOBAL: join(home, ".gitconfig") };
    const source = room.source({ settings: { ...settings, gitEnv } });
    await source.ensure("langgraph", { onEvent: room.onEvent });
    expect(via(room)).toBe("git");
    await expect(stat(trap)).rejects.toThrow("ENOENT");
    await rm(home, { recursive: true });
  });

  test("a git that hands over another commit is found out", async () => {
    await using room = await openRoom();
    const source = room.source({}, { MOLECULE_GIT_PATH: join(BIN, "git-that-lies") });
    expect((await failure(source.ensure("langgraph"))).code).toBe(
      "ERR_LOCAL_BUILD_COMMIT_MISMATCH",
    );
    expect(await room.cached()).toEqual(["langgraph"]);
  });

  test("files that are not those of the commit are found out", async () => {
    await using room = await openRoom();
    const source = room.source({}, { MOLECULE_GIT_PATH: join(BIN, "git-that-swaps") });
    const error = await failure(source.ensure("langgraph"));
    expect(error.code).toBe("ERR_LOCAL_BUILD_COMMIT_MISMATCH");
    expect(room.engine.stored).toEqual([]);
    expect(await room.cached()).toEqual(["langgraph"]);
  });

  test.each([
    ["bytes", { templateBytes: 1000, templateFiles: 100 }],
    ["files", { templateBytes: 1_000_000, templateFiles: 2 }],
  ])("a template with too many %s is refused before it is written", async (_name, limits) => {
    await using room = await openRoom({ files: { ...TEMPLATE, big: Buffer.alloc(2000) } });
    for (const gitPath of ["git", undefined]) {
      const source = room.source({ settings: { ...room.settings(), limits, gitPath } });
      const error = await failure(source.ensure("langgraph"));
      expect(error.code).toBe("ERR_LOCAL_BUILD_TEMPLATE_TOO_LARGE");
    }
    expect(await room.cached()).toEqual(["langgraph"]);
  });

  test("a pack that outgrows the limit ends git while it is received", async () => {
    await using room = await openRoom({ files: { ...TEMPLATE, big: randomBytes(3_000_000) } });
    room.gitea.setFault({ kind: "stall", on: "git", afterBytes: 2_000_000 });
    const limits = { templateBytes: 1_000_000, templateFiles: 100 };
    const source = room.source({ settings: { ...room.settings(), limits } });
    const error = await failure(source.ensure("langgraph"));
    expect(error.code).toBe("ERR_LOCAL_BUILD_TEMPLATE_TOO_LARGE");
    expect(await room.cached()).toEqual(["langgraph"]);
  });

  test("a fetch that makes no progress ends with the deadline, and with it every process", async () => {
    await using room = await openRoom();
    room.gitea.setFault({ kind: "stall", on: "git" });
    const settings = room.settings();
    const source = room.source({
      settings: { ...settings, timeouts: { ...settings.timeouts, checkoutMs: 400 } },
    });
    expect((await failure(source.ensure("langgraph"))).code).toBe("ERR_DEADLINE");
    expect(await room.cached()).toEqual(["langgraph"]);
  });

  test("an abort ends git, its children and the checkout, also when they ignore SIGTERM", async () => {
    await using room = await openRoom();
    const settings = room.settings();
    const pidFile = join(room.cacheDirectory, "pids");
    const source = room.source({
      settings: {
        ...settings,
        gitPath: join(BIN, "git-that-hangs"),
        gitEnv: { ...settings.gitEnv, PID_FILE: pidFile },
      },
    });
    const controller = new AbortController();
    const reason = new Error("enough");
    const work = source.ensure("langgraph", { signal: controller.signal });
    const pids = await poll(async () => {
      const text = await readFile(pidFile, "utf8").catch(() => "");
      const found = text.trim().split("\n").map(Number);
      return found.length === 2 ? found : undefined;
    });
    controller.abort(reason);
    await expect(work).rejects.toBe(reason);
    for (const pid of pids) expect(await isRunning(pid)).toBe(false);
    await rm(pidFile);
    expect(await room.cached()).toEqual(["langgraph"]);
  });
});

describe("without git", () => {
  test("a machine that has no git program gets the archive", async () => {
    await using room = await openRoom();
    const source = room.source({}, { MOLECULE_GIT_PATH: "/nonexistent/git" });
    const image = await source.ensure("langgraph", { onEvent: room.onEvent });
    expect(image.tree).toBe(await room.repository.tree(image.revision ?? ""));
    expect(via(room)).toBe("archive");
    expect(warnings(room)).toEqual([]);
  });

  test("a server that refuses to hand out the commit by git is asked for the archive, and it is said", async () => {
    await using room = await openRoom({
      server: { flavour: "gogs", token: "t0ken-of-the-test" },
      giteaSettings: {
        origin: undefined,
        credential: { kind: "token", token: "t0ken-of-the-test" },
      },
    });
    room.gitea.setFault({ kind: "moving-head" });
    const sha = await room.repository.head();
    const image = await room.source().ensure("langgraph", { onEvent: room.onEvent });
    expect(image.revision).toBe(sha);
    expect(via(room)).toBe("archive");
    expect(warnings(room)).toEqual(["WARN_LOCAL_BUILD_GIT_FETCH"]);
  });

  test("when both ways fail, the error tells both, masked, and nothing stays", async () => {
    await using room = await openRoom();
    const source = room.source();
    const sha = await room.repository.head();
    room.gitea.setFault({ kind: "status", status: 503, on: "git" });
    const failing = room.source({
      gitea: clientWith({ archive: () => Promise.reject(new Error("no archive either")) }),
    });
    const error = await failure(failing.ensure("langgraph"));
    expect(error.code).toBe("ERR_LOCAL_BUILD_CHECKOUT");
    expect(error.message).toContain(room.repository.url);
    expect(error.message).toContain("no archive either");
    expect(error.details).toMatchObject({ revision: sha, runtime: "langgraph" });
    expect(error.details["git"]).toContain("503");
    expect(await room.cached()).toEqual(["langgraph"]);
    room.gitea.setFault(undefined);
    expect((await source.ensure("langgraph")).outcome).toBe("built");
  });

  test.each([
    ["of another commit", { commit: "b".repeat(40) }],
    ["that does not name its commit", {}],
  ])("an archive %s is refused", async (_name, options) => {
    await using room = await openRoom();
    const bytes = archiveOf([{ path: "r/Dockerfile", content: "FROM scratch\n" }], options);
    const source = room.source(
      { gitea: clientWith({ archive: () => Promise.resolve(streamOf(bytes)) }) },
      { MOLECULE_GIT_PATH: "" },
    );
    expect((await failure(source.ensure("langgraph"))).code).toBe(
      "ERR_LOCAL_BUILD_COMMIT_MISMATCH",
    );
    expect(await room.cached()).toEqual(["langgraph"]);
  });

  test("an archive that leaves files of the commit out is refused", async () => {
    await using room = await openRoom({
      files: { ...TEMPLATE, ".gitattributes": "config.yaml export-ignore\n" },
    });
    const source = room.source({}, { MOLECULE_GIT_PATH: "" });
    expect((await failure(source.ensure("langgraph"))).code).toBe(
      "ERR_LOCAL_BUILD_COMMIT_MISMATCH",
    );
    expect((await room.source().ensure("langgraph")).outcome).toBe("built");
  });

  test("a truncated archive leaves nothing behind", async () => {
    await using room = await openRoom();
    room.gitea.setFault({ kind: "truncated", on: "archive", afterBytes: 150 });
    const source = room.source({}, { MOLECULE_GIT_PATH: "" });
    expect((await failure(source.ensure("langgraph"))).code).toBe("ERR_LOCAL_BUILD_CHECKOUT");
    expect(await room.cached()).toEqual(["langgraph"]);
  });
});

/** False for a process that has ended, also when nobody has collected it yet. */
async function isRunning(pid: number): Promise<boolean> {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  const status = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  return !/\) Z /.test(status);
}

async function poll<T>(look: () => Promise<T | undefined>): Promise<T> {
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    await sleep(20);
  }
}
