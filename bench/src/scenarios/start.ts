import { execa } from "execa";
import { randomUUID } from "node:crypto";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Comparison, Scenario, Side } from "../measure.js";
import { RawEngine } from "../raw-engine.js";
import { CONFIG_FILES, createRig, newSpec, type Rig } from "../rig.js";
import { seedTar } from "../seed-tar.js";

const NETWORK = "molecule-monorepo-net";
const START = "start, image cached, 3 config files, 2 volumes";

export const startByHand: Scenario = {
  id: "start-by-hand",
  title: START,
  against: "the same engine calls by hand on one keep-alive socket",
  target: 1.15,
  iterations: 25,
  async prepare(): Promise<Comparison> {
    const rig = await createRig();
    const raw = new RawEngine(rig.socketPath);
    return {
      ours: up(rig, { wait: false }),
      theirs: async () => removeByHand(raw, await startRaw(raw, rig)),
      async [Symbol.asyncDispose]() {
        raw[Symbol.dispose]();
        await rig[Symbol.asyncDispose]();
      },
    };
  },
};

export const startTwenty: Scenario = {
  id: "start-twenty",
  title: "20 starts at once",
  against: "the same calls by hand, 20 at once",
  target: 1.1,
  iterations: 5,
  async prepare(): Promise<Comparison> {
    const rig = await createRig();
    const raw = new RawEngine(rig.socketPath, 20);
    const all = async (side: Side): Promise<() => Promise<void>> => {
      const cleanUps = await Promise.all(Array.from({ length: 20 }, side));
      return async () => {
        for (const cleanUp of cleanUps) await cleanUp?.();
      };
    };
    return {
      ours: () => all(up(rig, { wait: false })),
      theirs: () => all(async () => removeByHand(raw, await startRaw(raw, rig))),
      async [Symbol.asyncDispose]() {
        raw[Symbol.dispose]();
        await rig[Symbol.asyncDispose]();
      },
    };
  },
};

export const startByCli: Scenario = {
  id: "start-by-cli",
  title: START,
  against: "`docker volume create`, `create`, `cp`, `start` by CLI",
  target: 1,
  iterations: 15,
  unavailable: () => missing("docker", ["--version"]),
  async prepare(): Promise<Comparison> {
    const rig = await createRig();
    const folder = await mkdtemp(join(tmpdir(), "molecule-bench-"));
    for (const [name, content] of Object.entries(CONFIG_FILES)) {
      await mkdir(dirname(join(folder, name)), { recursive: true });
      await writeFile(join(folder, name), content);
    }
    const docker = (...args: string[]) =>
      execa("docker", args, { env: { DOCKER_HOST: `unix://${rig.socketPath}` } });
    return {
      ours: up(rig, { wait: false }),
      async theirs() {
        const name = `bench-cli-${randomUUID().slice(0, 8)}`;
        await docker("volume", "create", `${name}-configs`);
        await docker("volume", "create", `${name}-workspace`);
        const volumes = ["-v", `${name}-configs:/configs`, "-v", `${name}-workspace:/workspace`];
        const limits = ["--init", "--memory", "512m", "--cpus", "1"];
        const network = ["--network", NETWORK, "-p", "127.0.0.1::8000"];
        await docker("create", "--name", name, ...network, ...limits, ...volumes, rig.image);
        await docker("cp", `${folder}/.`, `${name}:/configs`);
        await docker("start", name);
        return async () => {
          await docker("rm", "-f", name);
          await docker("volume", "rm", `${name}-configs`, `${name}-workspace`);
        };
      },
      async [Symbol.asyncDispose]() {
        await rm(folder, { recursive: true, force: true });
        await rig[Symbol.asyncDispose]();
      },
    };
  },
};

export const readyByDevcontainer: Scenario = {
  id: "ready-by-devcontainer",
  title: "the same image to ready",
  against: "`devcontainer up` (@devcontainers/cli)",
  target: 0.35,
  iterations: 8,
  unavailable: () => missing("docker", ["--version"]),
  async prepare(): Promise<Comparison> {
    const rig = await createRig();
    const folder = await mkdtemp(join(tmpdir(), "molecule-bench-"));
    await mkdir(join(folder, ".devcontainer"));
    await writeFile(
      join(folder, ".devcontainer/devcontainer.json"),
      JSON.stringify({ image: rig.image, overrideCommand: false }),
    );
    return {
      ours: up(rig, { wait: true }),
      async theirs() {
        const { stdout } = await execa("devcontainer", ["up", "--workspace-folder", folder], {
          preferLocal: true,
          localDir: join(import.meta.dirname, "../.."),
        });
        const last = stdout.trim().split("\n").at(-1) ?? "";
        const { containerId } = JSON.parse(last) as { containerId: string };
        return async () => {
          await execa("docker", ["rm", "-f", containerId]);
        };
      },
      async [Symbol.asyncDispose]() {
        await rm(folder, { recursive: true, force: true });
        await rig[Symbol.asyncDispose]();
      },
    };
  },
};

function up(rig: Rig, options: { readonly wait: boolean }): Side {
  return async () => {
    const { id } = await rig.provisioner.up(newSpec(rig), options);
    return async () => {
      await rig.backend.remove(id, { graceSeconds: 0 });
    };
  };
}

/** What a start cannot do without, and nothing else. */
async function startRaw(raw: RawEngine, rig: Rig): Promise<string> {
  const name = `bench-raw-${randomUUID().slice(0, 8)}`;
  await raw.json("POST", "/volumes/create", { Name: `${name}-configs` });
  await raw.json("POST", "/volumes/create", { Name: `${name}-workspace` });
  const { Id } = await raw.json<{ Id: string }>("POST", `/containers/create?name=${name}`, {
    Image: rig.image,
    ExposedPorts: { "8000/tcp": {} },
    HostConfig: {
      Binds: [`${name}-configs:/configs`, `${name}-workspace:/workspace`],
      NetworkMode: NETWORK,
      PortBindings: { "8000/tcp": [{ HostIp: "127.0.0.1", HostPort: "" }] },
      Memory: 512 * 1024 ** 2,
      NanoCpus: 1e9,
      PidsLimit: 1024,
      Init: true,
      SecurityOpt: ["no-new-privileges"],
      RestartPolicy: { Name: "unless-stopped" },
    },
  });
  await raw.send("PUT", `/containers/${Id}/archive?path=/configs`, await seedTar(CONFIG_FILES));
  await raw.send("POST", `/containers/${Id}/start`);
  await raw.json("GET", `/containers/${Id}/json`);
  return name;
}

function removeByHand(raw: RawEngine, name: string): () => Promise<void> {
  return async () => {
    await raw.send("DELETE", `/containers/${name}?force=true`);
    await raw.send("DELETE", `/volumes/${name}-configs`);
    await raw.send("DELETE", `/volumes/${name}-workspace`);
  };
}

async function missing(command: string, args: readonly string[]): Promise<string | undefined> {
  const { failed } = await execa(command, args, { reject: false });
  return failed ? `${command} is not installed` : undefined;
}
