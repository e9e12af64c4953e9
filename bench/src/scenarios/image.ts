import { createGiteaClient, giteaSettingsFromEnv } from "@molecule-ai/gitea-client";
import { createImageBuilder } from "@molecule-ai/image-build";
import {
  createLocalBuildSource,
  localBuildSettingsFromEnv,
  type LocalBuildSource,
} from "@molecule-ai/local-build";
import { createRuntimeRegistry } from "@molecule-ai/registry-mode";
import {
  readTestFiles,
  startGiteaServer,
  uniqueName,
  type TestFiles,
  type TestRepository,
} from "@molecule-ai/testkit";
import { execa } from "execa";
import { Agent as UndiciAgent } from "undici";
import { randomUUID } from "node:crypto";
import { Agent, get } from "node:http";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Comparison, Scenario, Side } from "../measure.js";
import { RawEngine } from "../raw-engine.js";
import { startReplayServer, type ReplayServer } from "../replay-server.js";
import { createRig, type Rig } from "../rig.js";

const RUNTIME = "hello";
const TEMPLATE = join(import.meta.dirname, "../../../examples/templates/hello");

/** A template on a Gitea of its own and a local builder for it. */
interface Workbench extends AsyncDisposable {
  readonly rig: Rig;
  readonly raw: RawEngine;
  readonly source: LocalBuildSource;
  readonly repository: TestRepository;
  readonly headUrl: string;
  /** From here on HEAD is answered from memory: the server's own git call would hide our share. */
  replayHead(): Promise<void>;
  /** A commit whose build can use nothing of an earlier one. */
  readonly commitCold: () => Promise<void>;
  /** A new commit of the very first tree. */
  readonly commitKnown: () => Promise<void>;
  readonly folder: string;
}

async function createWorkbench(): Promise<Workbench> {
  const rig = await createRig();
  const folder = await mkdtemp(join(tmpdir(), "molecule-bench-"));
  const gitea = await startGiteaServer();
  const files: TestFiles = await readTestFiles(TEMPLATE);
  const name = `molecule-ai-workspace-template-${RUNTIME}`;
  const repository = await gitea.createRepository({ name, files });
  const prefix = repository.url.slice(0, -RUNTIME.length);
  const env = { MOLECULE_LOCAL_TEMPLATE_REPO_PREFIX: prefix };
  const giteaSettings = giteaSettingsFromEnv(env);
  const direct = new UndiciAgent();
  let replay: ReplayServer | undefined;
  const client = createGiteaClient({
    settings: giteaSettings,
    dispatcher: direct.compose(
      (dispatch) => (request, handler) =>
        dispatch({ ...request, origin: replay?.origin ?? request.origin ?? "" }, handler),
    ),
  });
  const source = createLocalBuildSource({
    engine: rig.engine,
    builder: createImageBuilder({ engine: rig.engine }),
    gitea: client,
    runtimes: createRuntimeRegistry({ extra: [RUNTIME] }),
    repositoryPrefix: prefix,
    settings: localBuildSettingsFromEnv(
      { PATH: process.env["PATH"], MOLECULE_LOCAL_BUILD_CACHE: join(folder, "cache") },
      { homeDir: folder, tmpDir: folder },
    ),
    installId: uniqueName("bench"),
    giteaSettings,
  });
  const raw = new RawEngine(rig.socketPath);
  const dockerfile = await readFile(join(TEMPLATE, "Dockerfile"), "utf8");
  const headPath = `/api/v1/repos/${repository.owner}/${name}/branches/main`;
  return {
    rig,
    raw,
    source,
    repository,
    folder,
    get headUrl() {
      return `${replay?.origin ?? gitea.baseUrl}${headPath}`;
    },
    async replayHead() {
      replay = await startReplayServer(await getText(`${gitea.baseUrl}${headPath}`));
    },
    async commitCold() {
      await repository.commit({
        // An environment variable before the first step is part of every step's cache key.
        Dockerfile: dockerfile.replace(/^(FROM .*)$/m, `$1\nENV BENCH_NONCE=${randomUUID()}`),
      });
    },
    async commitKnown() {
      await repository.commit({ Dockerfile: dockerfile });
    },
    async [Symbol.asyncDispose]() {
      for (const { tags } of await source.images()) {
        for (const tag of tags) await rig.engine.images.remove(tag);
      }
      await source[Symbol.asyncDispose]();
      await client[Symbol.asyncDispose]();
      await direct.close();
      await replay?.[Symbol.asyncDispose]();
      await gitea[Symbol.asyncDispose]();
      raw[Symbol.dispose]();
      await rig[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

export const cacheHit: Scenario = {
  id: "image-cache-hit",
  title: "cache hit of ensure image",
  against: "one HEAD call to the local Gitea + one image inspect",
  target: 1.3,
  iterations: 60,
  prepare: async () => compareCacheHit(await createWorkbench()),
};

/** The local Gitea spends most of its answer in git; without that, only the two clients differ. */
export const cacheHitBare: Scenario = {
  id: "image-cache-hit-bare",
  title: "the same, HEAD answered from memory",
  against: "the same two calls",
  target: 1.3,
  iterations: 60,
  async prepare() {
    const bench = await createWorkbench();
    await bench.replayHead();
    return compareCacheHit(bench);
  },
};

async function compareCacheHit(bench: Workbench): Promise<Comparison> {
  const { ref } = await bench.source.ensure(RUNTIME);
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  return {
    async ours() {
      await bench.source.ensure(RUNTIME);
      return undefined;
    },
    async theirs() {
      JSON.parse(await getText(bench.headUrl, agent));
      await bench.raw.json("GET", `/images/${ref}/json`);
      return undefined;
    },
    async [Symbol.asyncDispose]() {
      agent.destroy();
      await bench[Symbol.asyncDispose]();
    },
  };
}

export const coldBuild: Scenario = {
  id: "image-cold-build",
  title: "cold build of the example",
  against: "`git clone --depth 1` + the engine's BuildKit by hand",
  target: 1.05,
  iterations: 6,
  async prepare(): Promise<Comparison> {
    const bench = await createWorkbench();
    return {
      before: { ours: bench.commitCold, theirs: bench.commitCold },
      async ours() {
        await bench.source.ensure(RUNTIME);
        return undefined;
      },
      async theirs() {
        const tag = await buildByHand(bench);
        return async () => void (await bench.raw.send("DELETE", `/images/${tag}`));
      },
      [Symbol.asyncDispose]: () => bench[Symbol.asyncDispose](),
    };
  },
};

export const sameTree: Scenario = {
  id: "image-same-tree",
  title: "new commit, same tree",
  against: "cold build",
  target: 0.1,
  iterations: 6,
  async prepare(): Promise<Comparison> {
    const bench = await createWorkbench();
    await bench.source.ensure(RUNTIME);
    const ensure: Side = async () => {
      await bench.source.ensure(RUNTIME);
      return undefined;
    };
    return {
      before: { ours: bench.commitKnown, theirs: bench.commitCold },
      ours: ensure,
      theirs: ensure,
      [Symbol.asyncDispose]: () => bench[Symbol.asyncDispose](),
    };
  },
};

async function buildByHand(bench: Workbench): Promise<string> {
  const checkout = await mkdtemp(join(bench.folder, "clone-"));
  await execa("git", ["clone", "--quiet", "--depth", "1", bench.repository.url, checkout]);
  const tag = `${uniqueName("molecule-test/bench-hand")}:latest`;
  const tar = execa("tar", ["--exclude", ".git", "-C", checkout, "-c", "."], {
    encoding: "buffer",
    buffer: false,
  });
  const answer = await bench.raw.send("POST", `/build?version=2&t=${tag}`, tar.stdout);
  await tar;
  if (answer.includes('"errorDetail"')) throw new Error(answer);
  await rm(checkout, { recursive: true });
  return tag;
}

function getText(url: string, agent?: Agent): Promise<string> {
  return new Promise((resolve, reject) => {
    get(url, { agent }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => (text += chunk));
      response.on("end", () => resolve(text));
      response.on("error", reject);
    }).on("error", reject);
  });
}
