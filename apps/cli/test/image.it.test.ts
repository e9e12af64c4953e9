import {
  busyboxImage,
  cleanupEngine,
  callEngine,
  findBuildx,
  findTestEngine,
  findTestRegistry,
  startGiteaServer,
  startTestRegistry,
  uniqueName,
  type TestRegistry,
} from "@molecule-ai/testkit";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { jsonLines, lastLine, runCli, type CliOptions, type CliRun } from "./support/run-cli.js";

const found = await findTestEngine();
const registryFound = await findTestRegistry();
const buildx = await findBuildx();
const COMMIT = "a".repeat(40);

describe.skipIf(found.skip !== undefined)("image", () => {
  const socketPath = found.socketPath ?? "";
  const run = uniqueName("image");
  const label = `molecule.test.run=${run}`;
  const auth = { username: "ada", password: "token-of-ada" };
  const wrong = { ADA_USER: "ada", ADA_TOKEN: "hunter22-wrong" };
  const right = { ADA_USER: auth.username, ADA_TOKEN: auth.password };
  let directory: string;
  let base: string;
  let registry: TestRegistry | undefined;

  beforeAll(async () => {
    base = await busyboxImage(socketPath);
    directory = await mkdtemp(join(tmpdir(), "cli-image-"));
    if (registryFound.skip === undefined) registry = await startTestRegistry({ auth });
  });
  afterAll(async () => {
    await cleanupEngine(socketPath, label);
    await registry?.[Symbol.asyncDispose]();
    await rm(directory, { recursive: true, force: true });
  });

  function cli(args: readonly string[], options: Partial<CliOptions> = {}): Promise<CliRun> {
    return runCli(args, {
      cwd: directory,
      ...options,
      env: {
        PATH: process.env["PATH"] ?? "",
        HOME: directory,
        DOCKER_HOST: `unix://${socketPath}`,
        ...options.env,
      },
    });
  }

  async function json(
    args: readonly string[],
    env: Readonly<Record<string, string>> = {},
  ): Promise<{
    readonly exitCode: number | null;
    readonly last: Record<string, unknown>;
    readonly all: string;
  }> {
    const done = await cli([...args, "--json"], { env });
    return { exitCode: done.exitCode, last: lastLine(done), all: done.stdout + done.stderr };
  }

  /** A directory with a Dockerfile whose images the test removes. */
  async function context(name: string, dockerfile: string): Promise<string> {
    const path = join(directory, name);
    await mkdir(path, { recursive: true });
    await writeFile(join(path, "Dockerfile"), `${dockerfile}\nLABEL ${label} molecule.test=true\n`);
    return path;
  }

  const localName = (): string => `molecule-test/${uniqueName("cli")}:1`;
  const remoteName = (): string => `${registry?.host ?? ""}/team/${uniqueName("cli")}:1`;

  async function inspect(
    ref: string,
  ): Promise<{ Config: { Labels: Record<string, string> } } | undefined> {
    const answer = await callEngine(socketPath, { method: "GET", path: `/images/${ref}/json` });
    return answer.status === 200
      ? (JSON.parse(answer.body.toString()) as { Config: { Labels: Record<string, string> } })
      : undefined;
  }

  describe("build", () => {
    it("makes an image of a directory, with arguments, labels and a log", async () => {
      const source = await context(
        "app",
        `FROM ${base} AS first\nARG WORD\nARG HERE\nRUN echo "$WORD $HERE" > /word\nFROM first AS second\nRUN false`,
      );
      await writeFile(join(source, "Dockerfile.other"), await readFile(join(source, "Dockerfile")));
      const ref = localName();
      const { exitCode, last } = await json(
        [
          ..."image build app --target first -f Dockerfile.other --log-file out.log".split(" "),
          ..."--build-arg WORD=hello --build-arg HERE --label team=agents".split(" "),
          "--label",
          label,
          "--tag",
          ref,
        ],
        { HERE: "there" },
      );
      expect(last).toMatchObject({
        type: "result",
        command: "image build",
        image: {
          tags: [ref],
          backend: "buildkit",
          imageId: expect.stringMatching(/^sha256:/) as string,
        },
        published: [],
      });
      expect(exitCode).toBe(0);
      expect((await inspect(ref))?.Config.Labels).toMatchObject({ team: "agents" });
      expect(await readFile(join(directory, "out.log"), "utf8")).toContain("echo");
    });

    it("tells which instruction failed, where, and what it printed", async () => {
      await context("broken", `FROM ${base}\nRUN echo the last word && exit 7`);
      const failed = await cli(["image", "build", "broken", "--tag", localName()]);
      expect(failed.exitCode).toBe(1);
      expect(failed.stderr).toContain("the last word");
      expect(failed.stderr).toContain("ERR_BUILD_FAILED");
      expect(failed.stdout).toBe("");
    });

    it("ends with 130 when it is interrupted, and leaves no image", async () => {
      await context("slow", `FROM ${base}\nRUN sleep 600`);
      const ref = localName();
      const stopped = await cli(["image", "build", "slow", "--tag", ref, "--json"], {
        onLine: (line, child) => {
          // Once: a second signal ends it where it stands.
          const { name, status } = line as { readonly name?: unknown; readonly status?: unknown };
          if (status === "started" && String(name).includes("sleep 600")) child.kill("SIGINT");
        },
      });
      expect(stopped.exitCode).toBe(130);
      expect(lastLine(stopped)).toMatchObject({ type: "error", code: "ERR_CLI_INTERRUPTED" });
      expect(await inspect(ref)).toBeUndefined();
    });

    it.skipIf(buildx.skip !== undefined)(
      "takes a secret from the environment or a file, and shows it to nobody",
      async () => {
        await context(
          "secret",
          `FROM ${base}\nRUN --mount=type=secret,id=one --mount=type=secret,id=two \\
  test "$(cat /run/secrets/one /run/secrets/two)" = s3cret-oneS3cret-two && cat /run/secrets/one`,
        );
        await writeFile(join(directory, "two"), "S3cret-two");
        const { exitCode, last, all } = await json(
          [
            ..."image build secret --secret id=one,env=ONE --secret id=two,src=two".split(" "),
            "--tag",
            localName(),
          ],
          { ONE: "s3cret-one", MOLECULE_BUILDX_PATH: buildx.file ?? "" },
        );
        expect(last).toMatchObject({ type: "result", image: { backend: "buildx" } });
        expect(exitCode).toBe(0);
        expect(all).not.toContain("s3cret-one");
      },
    );

    it.skipIf(buildx.skip !== undefined)(
      "writes the files of the last stage where it is told",
      async () => {
        await context("files", "FROM scratch\nCOPY Dockerfile /copied");
        const { last } = await json(
          ["image", "build", "files", "-t", localName(), "-o", "result"],
          {
            MOLECULE_BUILDX_PATH: buildx.file ?? "",
          },
        );
        expect(last).toMatchObject({ type: "result", image: { backend: "buildx" } });
        expect(await readdir(join(directory, "result"))).toEqual(["copied"]);
      },
    );

    it.skipIf(buildx.skip !== undefined)("takes exactly one commit of a repository", async () => {
      await using gitea = await startGiteaServer();
      const dockerfile = `FROM scratch\nCOPY word /\nLABEL ${label} molecule.test=true\n`;
      const repository = await gitea.createRepository({
        name: uniqueName("source"),
        files: { Dockerfile: dockerfile, word: "first" },
      });
      const commit = await repository.head();
      await repository.commit({ word: "second" });
      const { last } = await json(
        ["image", "build", `${repository.url}.git#${commit}`, "-t", localName(), "-o", "commit"],
        { MOLECULE_BUILDX_PATH: buildx.file ?? "" },
      );
      expect(last).toMatchObject({ type: "result", image: { backend: "buildx" } });
      expect(await readFile(join(directory, "commit/word"), "utf8")).toBe("first");
    });

    it.skipIf(buildx.skip !== undefined)("says when a builder has no checks", async () => {
      await context("checked", `from ${base}`);
      const { exitCode, last } = await json(["image", "build", "checked", "-t", "x:1", "--check"], {
        MOLECULE_BUILDX_PATH: buildx.file ?? "",
      });
      // Debian's buildx 0.13 has none yet; a newer one finds the lower-case FROM.
      expect(exitCode).toBe(1);
      if (last["type"] === "error") expect(last).toMatchObject({ code: "ERR_BUILD_BACKEND" });
      else expect(JSON.stringify(last["check"])).toContain("Casing");
    });
  });

  describe.skipIf(registryFound.skip !== undefined)("publishing", () => {
    const credentials = ["--credentials", "ada"];

    it("builds and pushes in one, proves the digest, tells it and promotes it", async () => {
      await context("published", `FROM ${base}\nRUN echo published > /file`);
      const ref = remoteName();
      const built = await json(
        ["image", "build", "published", "-t", ref, "--push", ...credentials],
        right,
      );
      expect(built.last).toMatchObject({
        type: "result",
        published: [{ tag: ref, digest: expect.stringMatching(/^sha256:/) as string }],
      });
      const [{ digest } = { digest: "" }] = built.last["published"] as { digest: string }[];
      const told = await cli(["image", "digest", ref, ...credentials], { env: right });
      expect(told.stdout.trim()).toBe(digest);

      const target = remoteName();
      const promoted = await json(["image", "promote", ref, target, ...credentials], right);
      expect(promoted.last).toMatchObject({ type: "result", digest, targets: [target] });
      expect((await json(["image", "digest", target, ...credentials], right)).last).toMatchObject({
        digest,
        sources: ["registry"],
      });
      const again = await cli(["image", "push", ref, ...credentials], { env: right });
      expect(again.exitCode).toBe(0);
      expect(again.stdout).toContain(digest);
    });

    it("pushes with the credentials Docker has, too", async () => {
      await context("stored", `FROM ${base}\nRUN echo stored > /file`);
      const ref = remoteName();
      expect((await json(["image", "build", "stored", "-t", ref])).exitCode).toBe(0);
      const basic = Buffer.from(`${auth.username}:${auth.password}`).toString("base64");
      const { last, all } = await json(["image", "push", ref], {
        DOCKER_AUTH_CONFIG: JSON.stringify({ auths: { [registry?.host ?? ""]: { auth: basic } } }),
      });
      expect(last).toMatchObject({ type: "result", pushed: [{ tag: ref }] });
      expect(all).toContain('"type":"push.layer"');
      expect(all).not.toContain(basic);
    });

    it("tells a refused push from one of an image that is not there, and shows no secret", async () => {
      await context("refused", `FROM ${base}\nRUN echo refused > /file`);
      const ref = remoteName();
      expect((await json(["image", "build", "refused", "-t", ref])).exitCode).toBe(0);
      const refused = await json(["image", "push", ref, ...credentials], wrong);
      expect(refused).toMatchObject({
        exitCode: 1,
        last: {
          type: "error",
          code: "ERR_PUSH_FAILED",
          details: { class: "credentials", remaining: [ref] },
        },
      });
      expect(refused.all).not.toContain("hunter22");
      const absent = await json(["image", "push", remoteName(), ...credentials], right);
      expect(absent.last).toMatchObject({ type: "error", code: "ERR_PUSH_FAILED" });
      expect(JSON.stringify(absent.last)).toContain("is not on the engine");
    });

    it("tries a login by variables or stdin, and stores nothing", async () => {
      const host = registry?.host ?? "";
      const good = await cli(["image", "login", host, ...credentials], { env: right });
      expect(good).toMatchObject({ exitCode: 0, stdout: expect.stringContaining("ada") as string });
      const typed = await cli(["image", "login", "--user", "ada", host], {
        stdin: `${auth.password}\n`,
      });
      expect(typed.exitCode).toBe(0);
      const bad = await cli(["image", "login", "--user", "ada", host], { stdin: "hunter22\n" });
      expect(bad.exitCode).toBe(2);
      expect(bad.stderr).toContain("ERR_PUSH_CREDENTIALS");
      expect(bad.stderr).not.toContain("hunter22");
      const config = readFile(join(directory, ".docker/config.json"), "utf8");
      await expect(config).rejects.toMatchObject({ code: "ENOENT" });
    });

    it("shares a cache through the registry, lists it and removes it", async () => {
      await context("cached", `FROM ${base}\nRUN echo ${run} > /file`);
      const repository = `${registry?.host ?? ""}/team/${uniqueName("cache")}`;
      const env = {
        ...right,
        MOLECULE_BUILD_CACHE_REF: repository,
        MOLECULE_BUILD_REPOSITORY: run,
        MOLECULE_BUILD_BRANCH: "main",
      };
      const built = await json(
        ["image", "build", "cached", "-t", localName(), ...credentials],
        env,
      );
      expect(built.last).toMatchObject({
        image: { cache: { mode: "shared", exports: [{ outcome: "exported" }] } },
      });
      const listed = await json(["image", "cache", "ls", ...credentials], env);
      expect(listed.last).toMatchObject({ registry: { repository, caches: [{}], errors: [] } });
      expect((listed.last["engine"] as { records: number }).records).toBeGreaterThan(0);
      const prune = ["image", "cache", "prune", "--stale-age", "1ms", ...credentials];
      const dry = await json([...prune, "--dry-run"], env);
      expect(dry.last).toMatchObject({
        dryRun: true,
        registry: { removed: [{ reason: "stale" }] },
      });
      const real = await json(prune, env);
      expect(real.last).toMatchObject({ registry: { total: 1, removed: [{ reason: "stale" }] } });
      const empty = await json(["image", "cache", "ls", ...credentials], env);
      expect(empty.last).toMatchObject({ registry: { caches: [] } });
    });
  });

  describe("gc", () => {
    it("says what would go, and removes it only when told to", async () => {
      const only = `molecule.test.gc=${uniqueName("gc")}`;
      await context("old", `FROM scratch\nCOPY Dockerfile /`);
      const names = [localName(), localName()] as const;
      for (const name of names) {
        const args = ["image", "build", "old", "-t", name, "--label", only];
        expect((await json([...args, "--label", `n=${name}`])).exitCode).toBe(0);
      }
      const gc = ["image", "gc", "--label", only, "--older-than", "1ms", "--protect", names[1]];
      const plan = await json(gc);
      expect(plan.last).toMatchObject({
        applied: false,
        items: [{ class: "images.unreferenced", names: [names[0]] }],
        kept: [{ reason: `${names[1]} protects it` }],
      });
      expect(await inspect(names[0])).toBeDefined();
      const spoken = await cli(gc);
      expect(spoken.stdout).toContain(`would remove images.unreferenced ${names[0]}`);
      expect(spoken.stdout).toContain("--apply");

      const enough = await json([...gc, "--min-free", "1B", "--apply"]);
      expect(enough.last).toMatchObject({ applied: false, items: [] });
      expect(await inspect(names[0])).toBeDefined();

      const applied = await json([...gc, "--apply"]);
      expect(applied).toMatchObject({
        exitCode: 0,
        last: { applied: true, failed: 0, outcomes: [{ name: names[0], outcome: "removed" }] },
      });
      expect(applied.all).toContain('"type":"cleanup.removed"');
      expect(await inspect(names[0])).toBeUndefined();
      expect(await inspect(names[1])).toBeDefined();
    });
  });

  describe("builders", () => {
    const env = { MOLECULE_BUILDX_PATH: buildx.file ?? "" };

    it.skipIf(buildx.skip !== undefined)(
      "are listed, shown, and removed only when they are ours",
      async () => {
        const listed = await json(["image", "builder", "ls"], env);
        expect(listed.last["builders"]).toContainEqual(
          expect.objectContaining({ name: "default", driver: "docker", own: false }),
        );
        const shown = await cli(["image", "builder", "inspect", "default"], { env });
        expect(shown.stdout).toContain("docker");
        expect(await json(["image", "builder", "rm", "default"], env)).toMatchObject({
          exitCode: 2,
          last: { code: "ERR_CLI_USAGE" },
        });
        for (const command of ["inspect", "rm"]) {
          expect(await json(["image", "builder", command, "molecule-absent"], env)).toMatchObject({
            exitCode: 4,
            last: { code: "ERR_CLI_BUILDER_NOT_FOUND" },
          });
        }
      },
    );

    it("are explained, also without an engine", async () => {
      const explained = await json(["image", "explain"]);
      expect(explained.last).toMatchObject({ chosen: { name: "buildkit", verdict: "chosen" } });
      const none = await json(["image", "explain"], { DOCKER_HOST: "unix:///nowhere/docker.sock" });
      expect(none).toMatchObject({ exitCode: 0, last: { chosen: null } });
      expect(none.all).toContain("/nowhere/docker.sock");
    });
  });

  describe("what cannot be meant", () => {
    it.each([
      ["no name", "build .", "ERR_CLI_USAGE", /--tag/],
      ["a name that is none", "build . -t Not:A:Name", "ERR_IMAGE_REFERENCE_INVALID", /Not:A:Name/],
      ["no directory", "build nowhere -t a:1", "ERR_BUILD_CONTEXT_UNREADABLE", /nowhere/],
      [
        "a directory without a Dockerfile",
        "build empty -t a:1",
        "ERR_BUILD_NO_DOCKERFILE",
        /Dockerfile/,
      ],
      [
        "a branch",
        "build https://git.example.com/a.git#main -t a:1",
        "ERR_CLI_OPTION_INVALID",
        /full id/,
      ],
      ["no commit", "build ssh://git.example.com/a -t a:1", "ERR_CLI_OPTION_INVALID", /full id/],
      [
        "an address that is no repository",
        `build https://example.com/a#${COMMIT} -t a:1`,
        "ERR_CLI_OPTION_INVALID",
        /\.git/,
      ],
      [
        "a secret in the open",
        "build . -t a:1 --secret id=x,value=hunter22",
        "ERR_CLI_SECRET_ON_COMMAND_LINE",
        /every user/,
      ],
      [
        "a bare secret",
        "build . -t a:1 --secret hunter22",
        "ERR_CLI_SECRET_ON_COMMAND_LINE",
        /every user/,
      ],
      [
        "a secret that is not set",
        "build . -t a:1 --secret id=absent",
        "ERR_CLI_SECRET_MISSING",
        /absent/,
      ],
      [
        "a secret of two sources",
        "build . -t a:1 --secret id=x,env=A,src=b",
        "ERR_CLI_OPTION_INVALID",
        /--secret/,
      ],
      [
        "an argument that is not set",
        "build . -t a:1 --build-arg ABSENT",
        "ERR_CLI_OPTION_INVALID",
        /ABSENT/,
      ],
      [
        "an argument without a name",
        "build . -t a:1 --build-arg =x",
        "ERR_CLI_OPTION_INVALID",
        /--build-arg/,
      ],
      ["no agent", "build . -t a:1 --ssh default", "ERR_CLI_OPTION_INVALID", /ssh-agent/],
      [
        "a label without a value",
        "build . -t a:1 --label x",
        "ERR_CLI_OPTION_INVALID",
        /key=value/,
      ],
      [
        "an output of a kind unknown",
        "build . -t a:1 -o type=tar,dest=x",
        "ERR_CLI_OPTION_INVALID",
        /type=oci/,
      ],
      ["an output twice", "build . -t a:1 -o a -o b", "ERR_CLI_OPTION_INVALID", /each once/],
      [
        "a cache without a place",
        "build . -t a:1 --cache-to type=registry",
        "ERR_CLI_OPTION_INVALID",
        /reference/,
      ],
      [
        "a cache mode unknown",
        "build . -t a:1 --cache-to type=local,dest=x,mode=all",
        "ERR_CLI_OPTION_INVALID",
        /min or max/,
      ],
      [
        "a provenance unknown",
        "build . -t a:1 --provenance all",
        "ERR_CLI_OPTION_INVALID",
        /min, max or false/,
      ],
      ["a backend unknown", "build . -t a:1 --backend kaniko", "ERR_BUILD_SETTINGS", /kaniko/],
      [
        "a context without a name",
        "build . -t a:1 --build-context =x",
        "ERR_CLI_OPTION_INVALID",
        /name=directory/,
      ],
      [
        "credentials that are not set",
        "push registry.example.com/a:1 --credentials nobody",
        "ERR_PUSH_CREDENTIALS",
        /NOBODY_USER/,
      ],
      [
        "credentials for two registries",
        "push a.example.com/a:1 b.example.com/b:1 --credentials ci",
        "ERR_CLI_USAGE",
        /one registry/,
      ],
      [
        "a push of a digest",
        `push a.example.com/a@sha256:${"b".repeat(64)}`,
        "ERR_CLI_USAGE",
        /digest/,
      ],
      ["a login of nobody", "login registry.example.com", "ERR_CLI_USAGE", /--user/],
      [
        "a login without a secret",
        "login registry.example.com --user me",
        "ERR_CLI_USAGE",
        /secret/,
      ],
      [
        "a registry that is none",
        "login registry.example.com/team --user me",
        "ERR_CLI_USAGE",
        /host/,
      ],
      ["both halves of gc", "gc --apply --dry-run", "ERR_CLI_USAGE", /exclude/],
      ["a class unknown", "gc --only volumes", "ERR_CLI_OPTION_INVALID", /containers\.exited/],
      ["a pattern unknown", "gc --protect [", "ERR_BUILD_SETTINGS", /pattern/],
      [
        "a dry run inside a builder",
        "cache prune --dry-run --builder x",
        "ERR_CLI_USAGE",
        /--builder/,
      ],
      ["a server", "gc --server https://molecule.example", "ERR_CLI_NOT_REMOTE", /--local/],
      [
        "a server, too",
        "build . -t a:1 --server https://molecule.example",
        "ERR_CLI_NOT_REMOTE",
        /--local/,
      ],
    ])("is refused with words: %s", async (_what, words, code, says) => {
      await mkdir(join(directory, "empty"), { recursive: true });
      const { exitCode, last, all } = await json(["image", ...words.split(" ")], {
        NOBODY_USER: "",
      });
      expect(last, all).toMatchObject({ type: "error", code });
      expect([1, 2]).toContain(exitCode);
      expect(JSON.stringify(last)).toMatch(says);
      expect(all).not.toContain("hunter22");
    });

    it("a group without a command prints its help and is a usage error", async () => {
      const alone = await cli(["image", "cache"]);
      expect(alone).toMatchObject({ exitCode: 2, stdout: "" });
      expect(alone.stderr).toContain("prune");
      expect((await cli(["image", "--help"])).exitCode).toBe(0);
    });

    it("a variable that means nothing is named", async () => {
      const env = { MOLECULE_CLEANUP: "perhaps" };
      expect((await json(["image", "gc"], env)).last).toMatchObject({ code: "ERR_BUILD_SETTINGS" });
      expect(
        (await json(["image", "gc"], { MOLECULE_CLEANUP_OLDER_THAN: "soon" })).last,
      ).toMatchObject({ code: "ERR_BUILD_UNIT" });
    });
  });

  it("prints one last line with --json and nothing on stderr", async () => {
    const done = await cli(["image", "gc", "--label", `nobody=${run}`, "--json"]);
    expect(done.stderr).toBe("");
    expect(jsonLines(done).filter(({ type }) => type === "result")).toHaveLength(1);
  });
});
