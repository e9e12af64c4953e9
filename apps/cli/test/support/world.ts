import { LABELS } from "@molecule-ai/core";
import {
  busyboxImage,
  callEngineJson,
  cleanupEngine,
  startGiteaServer,
  uniqueName,
  type GiteaServer,
  type TestFiles,
  type TestRepository,
} from "@molecule-ai/testkit";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { lastLine, runCli, type CliOptions, type CliRun, type JsonLine } from "./run-cli.js";

/** An installation of its own on the shared engine: install id, network, cache, template server. */
export interface World extends AsyncDisposable {
  readonly socketPath: string;
  readonly gitea: GiteaServer;
  readonly directory: string;
  readonly installId: string;
  readonly env: Readonly<Record<string, string>>;
  /** A runtime nobody else has, with a template of these files. */
  createRuntime(
    files: TestFiles,
  ): Promise<{ readonly name: string; readonly repository: TestRepository }>;
  cli(args: readonly string[], options?: Partial<CliOptions>): Promise<CliRun>;
  /** As {@link cli} with `--json` first among the options; resolves to exit code and last line. */
  json(
    args: readonly string[],
    options?: Partial<CliOptions>,
  ): Promise<{ readonly exitCode: number | null; readonly last: JsonLine; readonly run: CliRun }>;
  /** Names of containers and volumes that carry our install id. */
  leftovers(): Promise<string[]>;
  /** Images that carry our install id. */
  images(): Promise<string[]>;
}

/** A busybox that serves HTTP on 8000: the smallest agent there is. */
export const AGENT: TestFiles = {
  Dockerfile: [
    "FROM molecule-test/busybox:latest",
    "RUN mkdir -p /www && echo hello > /www/index.html",
    'ENTRYPOINT ["sh", "-c", "echo agent is up; exec httpd -f -p 8000 -h /www"]',
    "",
  ].join("\n"),
  "config.yaml": "name: test\nruntime: test\n",
};

/** How many runtimes one world can have: their names are fixed before their templates exist. */
const RUNTIMES = 120;

export async function createWorld(socketPath: string): Promise<World> {
  await busyboxImage(socketPath);
  const gitea = await startGiteaServer();
  const directory = await mkdtemp(join(tmpdir(), "cli-world-"));
  const installId = uniqueName("clitest");
  const names = Array.from({ length: RUNTIMES }, (_, index) => `${installId}-${index}`);
  const unused = [...names];
  const env: Record<string, string> = {
    PATH: process.env["PATH"] ?? "",
    HOME: directory,
    DOCKER_HOST: `unix://${socketPath}`,
    MOLECULE_INSTALL_ID: installId,
    MOLECULE_NETWORK: installId,
    MOLECULE_EXTRA_RUNTIMES: names.join(","),
    MOLECULE_LOCAL_BUILD_CACHE: join(directory, "cache"),
    MOLECULE_LOCAL_TEMPLATE_REPO_PREFIX: `${gitea.baseUrl}/molecule-ai/template-`,
    MOLECULE_STOP_GRACE_SECONDS: "1",
  };
  const label = `${LABELS.install}=${installId}`;
  const cli: World["cli"] = (args, options = {}) =>
    runCli(args, { cwd: directory, ...options, env: { ...env, ...options.env } });
  const builtBy = `${LABELS.builtBy}=${installId}`;
  const list = <T>(path: string, filter = label): Promise<T> => {
    const filters = encodeURIComponent(JSON.stringify({ label: [filter] }));
    const mark = path.includes("?") ? "&" : "?";
    return callEngineJson<T>(socketPath, {
      method: "GET",
      path: `${path}${mark}filters=${filters}`,
    });
  };

  return {
    socketPath,
    gitea,
    directory,
    installId,
    env,
    cli,
    async createRuntime(files) {
      const name = unused.shift();
      if (name === undefined) throw new Error(`a world has ${RUNTIMES} runtimes`);
      const repository = await gitea.createRepository({ name: `template-${name}`, files });
      return { name, repository };
    },
    async json(args, options) {
      const [command = "", ...rest] = args;
      const run = await cli([command, "--json", ...rest], options);
      return { exitCode: run.exitCode, last: lastLine(run), run };
    },
    async leftovers() {
      const containers = await list<{ Names: string[] }[]>("/containers/json?all=1");
      const volumes = await list<{ Volumes: { Name: string }[] | null }>("/volumes");
      return [
        ...containers.map(({ Names }) => `container ${Names.join(" ")}`),
        ...(volumes.Volumes ?? []).map(({ Name }) => `volume ${Name}`),
      ].sort();
    },
    async images() {
      const images = await list<{ Id: string }[]>("/images/json", builtBy);
      return images.map(({ Id }) => Id);
    },
    async [Symbol.asyncDispose]() {
      await gitea[Symbol.asyncDispose]();
      await cleanupEngine(socketPath, label);
      await cleanupEngine(socketPath, builtBy);
      await rm(directory, { recursive: true, force: true });
    },
  };
}
