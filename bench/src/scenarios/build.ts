import {
  connectEngine,
  engineSettingsFromEnv,
  type DockerEngine,
} from "@molecule-ai/docker-engine";
import { createGiteaClient } from "@molecule-ai/gitea-client";
import {
  buildSettingsFromEnv,
  createImageBuilder,
  createRawjsonProgress,
  openImageBuilder,
} from "@molecule-ai/image-build";
import {
  createLocalBuildSource,
  localBuildSettingsFromEnv,
  type LocalBuildSource,
} from "@molecule-ai/local-build";
import { createRuntimeRegistry } from "@molecule-ai/registry-mode";
import {
  busyboxImage,
  findBuildx,
  findSecondEngine,
  findTestRegistry,
  pushImage,
  startGiteaServer,
  startSecondEngine,
  startTestRegistry,
  uniqueName,
} from "@molecule-ai/testkit";
import { execa } from "execa";
import { createHash, randomUUID } from "node:crypto";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Comparison, Scenario } from "../measure.js";
import { createRig } from "../rig.js";

const MIB = 1024 * 1024;

/** 200 files, 4 MiB: what a middling project sends. */
async function writeContext(directory: string): Promise<void> {
  await mkdir(join(directory, "src"), { recursive: true });
  for (let at = 0; at < 200; at += 1) {
    await writeFile(join(directory, "src", `file-${at}.txt`), `${at}\n`.padEnd((4 * MIB) / 200));
  }
}

/** Writes that much noise and compresses it: work of a known size, as installing packages is. */
function noise(name: string, mib: number): string {
  return `RUN dd if=/dev/urandom of=/${name} bs=1M count=${mib} 2>/dev/null && gzip -k /${name}`;
}

function dockerfile(base: string, nonce: string): string {
  return [
    `FROM ${base}`,
    `ENV NONCE=${nonce}`,
    ...["one", "two", "three"].map((name) => noise(name, 24)),
    "COPY src /src",
    "RUN find /src -type f | xargs sha256sum > /sums",
    "",
  ].join("\n");
}

/** Both sides use the same buildx, the same builder (the engine itself) and the same directory. */
async function compareBuildx(
  kind: "warm" | "cold",
  way: "directory" | "tar" = "directory",
): Promise<Comparison> {
  const buildx = await findBuildx();
  if (buildx.file === undefined) throw new Error(buildx.skip);
  const { file } = buildx;
  const rig = await createRig();
  const home = await mkdtemp(join(tmpdir(), "molecule-bench-"));
  const context = join(home, "context");
  await writeContext(context);
  const base = await busyboxImage(rig.socketPath);
  const write = (): Promise<void> =>
    writeFile(join(context, "Dockerfile"), dockerfile(base, randomUUID()));
  await write();
  const env = {
    PATH: "/usr/bin:/bin",
    HOME: home,
    DOCKER_HOST: `unix://${rig.socketPath}`,
    DOCKER_CONFIG: join(home, "docker"),
    BUILDX_CONFIG: join(home, "buildx"),
    MOLECULE_BUILDX_PATH: file,
    MOLECULE_BUILD_BACKEND: "buildx-docker",
  };
  const builder = openImageBuilder({
    engine: rig.engine,
    settings: buildSettingsFromEnv(env, { homeDirectory: home }),
    repositoryId: "bench",
  });
  const newTag = (): string => `${uniqueName("molecule-test/bench-buildx")}:1`;
  const remover = (tag: string) => async (): Promise<void> => {
    await rig.engine.images.remove(tag);
  };
  const before = kind === "cold" ? { ours: write, theirs: write } : undefined;
  return {
    before,
    async ours() {
      const tag = newTag();
      const tags = [tag];
      const result = await builder.build({ context: { kind: "directory", path: context }, tags });
      if (result.backend !== "buildx") throw new Error(`built by ${result.backend}`);
      return remover(tag);
    },
    async theirs() {
      const tag = newTag();
      const args = ["build", "--builder=default", "--progress=rawjson", "--load", `--tag=${tag}`];
      if (way === "directory") await execa(file, [...args, context], { env, extendEnv: false });
      else {
        const tar = execa("tar", ["-C", context, "-c", "."], { encoding: "buffer", buffer: false });
        await execa(file, [...args, "-"], { env, extendEnv: false, input: tar.stdout });
      }
      return remover(tag);
    },
    async [Symbol.asyncDispose]() {
      await rig[Symbol.asyncDispose]();
      await rm(home, { recursive: true, force: true });
    },
  };
}

async function withoutBuildx(): Promise<string | undefined> {
  return (await findBuildx()).skip;
}

export const buildxWarm: Scenario = {
  id: "buildx-warm",
  title: "build with buildx, all steps cached",
  against: "`buildx build --load` of the same directory",
  target: 1.03,
  iterations: 20,
  unavailable: withoutBuildx,
  prepare: () => compareBuildx("warm"),
};

export const buildxCold: Scenario = {
  id: "buildx-cold",
  title: "the same, no step cached",
  against: "the same",
  target: 1.03,
  iterations: 6,
  unavailable: withoutBuildx,
  prepare: () => compareBuildx("cold"),
};

export const buildxColdTar: Scenario = {
  id: "buildx-cold-tar",
  title: "the same, no step cached",
  against: "`buildx build --load -`, the directory as a tar on its standard input",
  target: 1.03,
  iterations: 6,
  unavailable: withoutBuildx,
  prepare: () => compareBuildx("cold", "tar"),
};

/** 10 MB as buildx 0.13 writes them: indented, mostly the output of steps and bytes on their way. */
function progressMessages(): readonly string[] {
  const digest = (at: number): string =>
    `sha256:${createHash("sha256").update(String(at)).digest("hex")}`;
  const timestamp = "2026-01-01T00:00:00.000000000Z";
  const messages: string[] = [];
  let length = 0;
  for (let at = 0; length < 10_000_000; at += 1) {
    const vertex = digest(at % 40);
    const line = `#${at} downloading package-${at}.tar.gz and a little more that compilers print\n`;
    const data = Buffer.from(line.repeat(1 + (at % 3))).toString("base64");
    const status = { id: `layer ${at % 12}`, vertex, current: at, total: 1e6, timestamp };
    const message =
      at % 10 === 0
        ? { vertexes: [{ digest: vertex, name: `[${at % 40}/40] RUN step`, started: timestamp }] }
        : at % 3 === 0
          ? { statuses: [status] }
          : { logs: [{ vertex, stream: 1, data, timestamp }] };
    const text = `${JSON.stringify(message, undefined, 2)}\n`;
    messages.push(text);
    length += text.length;
  }
  return messages;
}

export const parseProgress: Scenario = {
  id: "parse-progress",
  title: "10 MB of buildx's progress into events",
  against: "`JSON.parse` of the same messages, cut already",
  target: { ms: 150 },
  iterations: 20,
  prepare(): Promise<Comparison> {
    const messages = progressMessages();
    const bytes = Buffer.from(messages.join(""));
    return Promise.resolve({
      ours() {
        let events = 0;
        const progress = createRawjsonProgress({
          emit: () => (events += 1),
          clean: (text) => text,
          tailLines: 20,
        });
        for (let at = 0; at < bytes.length; at += 65_536) {
          progress.accept(bytes.subarray(at, at + 65_536));
        }
        progress.finish();
        if (events < messages.length / 2) throw new Error(`only ${events} events`);
        return Promise.resolve(undefined);
      },
      theirs() {
        for (const message of messages) JSON.parse(message);
        return Promise.resolve(undefined);
      },
      [Symbol.asyncDispose]: () => Promise.resolve(),
    });
  },
};

const RUNTIME = "shared";

/**
 * A template on a Gitea, a registry with passwords, two engines. Its build writes 8 MB of noise and
 * compresses it, three times.
 */
async function compareSharing(): Promise<Comparison> {
  const stack = new Opened();
  try {
    const auth = { username: "bench", password: randomUUID() };
    const rig = stack.use(await createRig());
    const registry = stack.use(await startTestRegistry({ auth }));
    const other = stack.use(await startSecondEngine());
    const gitea = stack.use(await startGiteaServer());
    const home = await mkdtemp(join(tmpdir(), "molecule-bench-"));
    stack.use({
      [Symbol.asyncDispose]: () => rm(home, { recursive: true, force: true }),
    });
    const base = `${registry.host}/${uniqueName("base")}:1`;
    await pushImage(rig.socketPath, await busyboxImage(rig.socketPath), base, auth);
    const template = (nonce: string): string => {
      const steps = ["one", "two", "three"].map((name) => noise(name, 8));
      return [`FROM ${base}`, `ENV NONCE=${nonce}`, ...steps, "COPY . /app", ""].join("\n");
    };
    const repository = await gitea.createRepository({
      name: `template-${RUNTIME}`,
      files: { Dockerfile: template("first"), "config.yaml": "name: shared\n" },
    });
    const basic = Buffer.from(`${auth.username}:${auth.password}`).toString("base64");
    const DOCKER_AUTH_CONFIG = JSON.stringify({ auths: { [registry.host]: { auth: basic } } });
    const open = async (dockerHost: string, name: string, shares: boolean): Promise<Side> => {
      const settings = engineSettingsFromEnv(
        { DOCKER_HOST: dockerHost, DOCKER_AUTH_CONFIG },
        { homeDirectory: "/nonexistent", platform: process.platform },
      );
      const engine = stack.use(await connectEngine({ settings }));
      const client = stack.use(createGiteaClient({ settings: undefined }));
      const env = {
        PATH: process.env["PATH"],
        MOLECULE_LOCAL_BUILD_CACHE: join(home, name),
        ...(shares ? { MOLECULE_LOCAL_BUILD_CACHE_REF: `${registry.host}/bench/cache` } : {}),
      };
      const source = stack.use(
        createLocalBuildSource({
          engine,
          builder: createImageBuilder({ engine }),
          gitea: client,
          runtimes: createRuntimeRegistry({ extra: [RUNTIME] }),
          repositoryPrefix: repository.url.slice(0, -RUNTIME.length),
          settings: localBuildSettingsFromEnv(env, { homeDir: home, tmpDir: home }),
          installId: uniqueName("bench"),
        }),
      );
      return { engine, source };
    };
    const first = await open(`unix://${rig.socketPath}`, "first", true);
    stack.use({ [Symbol.asyncDispose]: () => removeImages(first, base) });
    const sharing = await open(other.dockerHost, "sharing", true);
    const alone = await open(other.dockerHost, "alone", false);
    const commit = async (): Promise<void> => {
      await repository.commit({ Dockerfile: template(randomUUID()) });
    };
    return {
      before: {
        async ours() {
          await commit();
          await first.source.ensure(RUNTIME);
        },
        theirs: commit,
      },
      async ours() {
        await sharing.source.ensure(RUNTIME);
        return undefined;
      },
      async theirs() {
        await alone.source.ensure(RUNTIME);
        return undefined;
      },
      [Symbol.asyncDispose]: () => stack[Symbol.asyncDispose](),
    };
  } catch (error) {
    await stack[Symbol.asyncDispose]();
    throw error;
  }
}

interface Side {
  readonly engine: DockerEngine;
  readonly source: LocalBuildSource;
}

async function removeImages({ engine, source }: Side, base: string): Promise<void> {
  for (const { tags } of await source.images()) {
    for (const tag of tags) await engine.images.remove(tag);
  }
  await engine.images.remove(base);
}

/** What was opened, closed in the opposite order. */
class Opened implements AsyncDisposable {
  readonly #opened: AsyncDisposable[] = [];

  use<T extends AsyncDisposable>(resource: T): T {
    this.#opened.push(resource);
    return resource;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const resource of this.#opened.reverse()) await resource[Symbol.asyncDispose]();
  }
}

export const sharedCache: Scenario = {
  id: "shared-cache",
  title: "first build on a second engine, cache shared through a registry",
  against: "the same without the cache",
  target: 0.5,
  iterations: 6,
  unavailable: async () => (await findSecondEngine()).skip ?? (await findTestRegistry()).skip,
  prepare: compareSharing,
};
