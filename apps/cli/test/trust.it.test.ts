import { execFile } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { access, chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import {
  busyboxImage,
  callEngineJson,
  findCosign,
  findTestEngine,
  findTestRegistry,
  pushImage,
  startTestRegistry,
  type TestRegistry,
} from "@molecule-ai/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { jsonLines, lastLine } from "./support/run-cli.js";
import { AGENT, createWorld, type World } from "./support/world.js";

const engine = await findTestEngine();
const registryProgram = await findTestRegistry();
const cosign = await findCosign();
const skip = engine.skip ?? registryProgram.skip ?? cosign.skip;

const PASSWORD = "correct horse battery";

describe.skipIf(skip !== undefined)("trust", () => {
  const auth = { username: "ada", password: "token-of-ada" };
  let world: World;
  let registry: TestRegistry;
  /** An image in the registry that nobody signed, by its digest. */
  let reference: string;
  let publicKey: string;

  beforeAll(async () => {
    world = await createWorld(engine.socketPath ?? "");
    registry = await startTestRegistry({ auth });
    const base = await busyboxImage(world.socketPath);
    await pushImage(world.socketPath, base, `${registry.host}/team/plain:1`, auth);
    await mkdir(join(world.directory, ".docker"));
    const login = Buffer.from(`${auth.username}:${auth.password}`).toString("base64");
    await writeFile(
      join(world.directory, ".docker/config.json"),
      JSON.stringify({ auths: { [registry.host]: { auth: login } } }),
    );
    const digest = await world.cli(["image", "digest", `${registry.host}/team/plain:1`]);
    reference = `${registry.host}/team/plain@${digest.stdout.trim()}`;
    publicKey = join(world.directory, "other.pub");
    const pair = generateKeyPairSync("ec", { namedCurve: "P-256" });
    await writeFile(publicKey, pair.publicKey.export({ type: "spki", format: "pem" }));
    await writeFile(join(world.directory, "cosign.key"), "not read by these programs");
  });
  afterAll(async () => {
    await registry?.[Symbol.asyncDispose]();
    await world?.[Symbol.asyncDispose]();
  });

  /** A program in the place of cosign. */
  const fakeCosign = async (name: string, body: string): Promise<Record<string, string>> => {
    const file = join(world.directory, name);
    await writeFile(file, `#!/bin/sh\n${body}\n`);
    await chmod(file, 0o755);
    return {
      MOLECULE_COSIGN_PATH: file,
      COSIGN_KEY: join(world.directory, "cosign.key"),
      COSIGN_PASSWORD: PASSWORD,
    };
  };
  const json = async (args: readonly string[], env: Record<string, string> = {}) => {
    const run = await world.cli([...args, "--json"], { env });
    return { exitCode: run.exitCode, last: lastLine(run), run };
  };
  const policyFile = async (policy: unknown): Promise<string> => {
    const file = join(world.directory, "policy.json");
    await writeFile(file, typeof policy === "string" ? policy : JSON.stringify(policy));
    return file;
  };

  describe("sign and attest", () => {
    it("take a digest, not a tag that may mean another image tomorrow", async () => {
      for (const command of ["sign", "attest", "verify"]) {
        const key = command === "verify" ? ["--key", publicKey] : ["--key", "cosign.key"];
        const { exitCode, last } = await json(["trust", command, "a/b:1", ...key]);
        expect([command, exitCode, last["code"]]).toEqual([command, 2, "ERR_TRUST_REFERENCE"]);
      }
    });

    it("want a key", async () => {
      const { exitCode, last } = await json(["trust", "sign", reference]);
      expect([exitCode, last["code"]]).toEqual([2, "ERR_CLI_OPTION_INVALID"]);
    });

    it("say that there is no cosign, and what to do", async () => {
      const { exitCode, last } = await json(["trust", "sign", reference], {
        MOLECULE_COSIGN_PATH: "/nowhere/cosign",
        COSIGN_KEY: join(world.directory, "cosign.key"),
      });
      expect([exitCode, last["code"]]).toEqual([1, "ERR_TRUST_COSIGN_MISSING"]);
      expect(last["hint"]).toContain("MOLECULE_COSIGN_PATH");
    });

    it("say what cosign said, without the secrets in it", async () => {
      const env = await fakeCosign(
        "leaking",
        'echo "error: $COSIGN_PASSWORD is wrong" >&2; exit 7',
      );
      const { exitCode, last, run } = await json(["trust", "sign", reference], env);
      expect([exitCode, last["code"]]).toEqual([1, "ERR_TRUST_COSIGN_FAILED"]);
      expect(run.stdout + run.stderr).not.toContain(PASSWORD);
    });

    it("end a cosign that hangs when they are interrupted", async () => {
      const ended = join(world.directory, "ended");
      // Its parent is the program, which is interrupted once cosign hangs.
      const env = await fakeCosign(
        "hanging",
        `trap 'touch "${ended}"; exit 1' TERM INT
kill -INT "$PPID"
while :; do sleep 0.1; done`,
      );
      const { exitCode, last } = await json(["trust", "sign", reference], env);
      expect([exitCode, last["code"]]).toEqual([130, "ERR_CLI_INTERRUPTED"]);
      await expect(access(ended)).resolves.toBeUndefined();
    });

    it("attest nothing that was not built here", async () => {
      const env = await fakeCosign("unused", "exit 0");
      const { exitCode, last } = await json(["trust", "attest", reference], env);
      expect([exitCode, last["code"]]).toEqual([4, "ERR_CLI_PATH_NOT_FOUND"]);
    });

    it("want the type of a predicate", async () => {
      const { exitCode, last } = await json(["trust", "attest", reference, "--predicate", "x"]);
      expect([exitCode, last["code"]]).toEqual([2, "ERR_CLI_USAGE"]);
    });
  });

  describe("verify", () => {
    it("refuses what nobody signed, with exit code 3", async () => {
      const args = ["trust", "verify", reference, "--key", publicKey];
      const { exitCode, last } = await json(args);
      expect([exitCode, last["code"]]).toEqual([3, "ERR_TRUST_UNVERIFIED"]);
    });

    it("counts a signature of the named key alone, and says why not of another", async () => {
      const env = { COSIGN_PASSWORD: PASSWORD, PATH: process.env["PATH"] ?? "" };
      await promisify(execFile)(
        cosign.file ?? "",
        ["generate-key-pair", "--output-key-prefix", "mine"],
        { cwd: world.directory, env: { ...env, HOME: world.directory } },
      );
      const key = join(world.directory, "mine.key");
      const signed = await json(["trust", "sign", reference, "--key", key], {
        ...env,
        MOLECULE_COSIGN_PATH: cosign.file ?? "",
      });
      expect([signed.exitCode, signed.last]).toMatchObject([0, { reference, signer: "key" }]);
      const verify = (file: string) => json(["trust", "verify", reference, "--key", file]);
      const right = await verify("mine.pub");
      expect([right.exitCode, right.last]).toMatchObject([
        0,
        { signatures: [{ signer: { kind: "key", id: "mine.pub" } }] },
      ]);
      const wrong = await verify(publicKey);
      expect([wrong.exitCode, wrong.last["code"]]).toEqual([3, "ERR_TRUST_UNVERIFIED"]);
      expect(JSON.stringify(wrong.last)).toContain("no trusted key made it");
      // What a policy says is asked when no key is named.
      const policy = await policyFile({
        trust: {
          keys: [{ id: "m", publicKey: await readFile(join(world.directory, "mine.pub"), "utf8") }],
        },
      });
      const asked = await json(["trust", "verify", reference], {
        MOLECULE_ADMISSION_POLICY: policy,
      });
      expect(asked.last).toMatchObject({ signatures: [{ signer: { id: "m" } }] });
    });

    it("wants to know whose signatures count", async () => {
      const { exitCode, last } = await json(["trust", "verify", reference]);
      expect([exitCode, last["code"]]).toEqual([2, "ERR_CLI_USAGE"]);
    });
  });

  describe("rebuild", () => {
    const project = async (name: string, dockerfile: string): Promise<string> => {
      const directory = join(world.directory, name);
      await mkdir(directory, { recursive: true });
      await writeFile(join(directory, "Dockerfile"), dockerfile);
      return directory;
    };
    const made = async (): Promise<string[]> => {
      const images = await callEngineJson<{ RepoTags: string[] | null }[]>(world.socketPath, {
        method: "GET",
        path: "/images/json",
      });
      return images.flatMap(({ RepoTags: tags }) => tags ?? []);
    };

    it("answers with the level, and with exit code 1 below what was asked for", async () => {
      const directory = await project(
        "random",
        "FROM molecule-test/busybox:latest\nRUN cat /proc/sys/kernel/random/uuid > /made\n",
      );
      const { exitCode, last } = await json(["rebuild", directory]);
      expect([exitCode, last]).toMatchObject([
        1,
        {
          type: "result",
          level: "consistent",
          wanted: "deterministic",
          comparison: { files: [{ path: "made" }] },
        },
      ]);
      const run = String(last["run"]);
      expect((await made()).filter((tag) => tag.includes(run))).toEqual([]);
      const text = await world.cli(["rebuild", directory, "--at-least", "consistent"]);
      expect(text.exitCode).toBe(0);
      expect(text.stdout).toMatch(/\n +\d+ +made +content/);
    });

    it("rebuilds the template of a runtime at its commit, without leaving an image of it", async () => {
      const { name } = await world.createRuntime(AGENT);
      const { exitCode, last } = await json(["rebuild", name, "--at-least", "reproducible"]);
      expect([exitCode, last["level"]]).toEqual([0, "reproducible"]);
      expect((await made()).filter((tag) => tag.includes(name))).toEqual([]);
    });

    it("builds the second one with another backend, and says how far that is the same", async () => {
      const directory = await project(
        "plain",
        "FROM molecule-test/busybox:latest\nRUN echo same > /made\n",
      );
      const args = ["rebuild", directory, "--second-backend", "classic"];
      const { exitCode, last } = await json(args);
      // The old builder leaves mount points in its layers, and writes down more settings.
      expect([exitCode, last["level"]]).toEqual([1, "viable"]);
      const unknown = await json(["rebuild", directory, "--second-backend", "magic"]);
      expect([unknown.exitCode, unknown.last["code"]]).toEqual([2, "ERR_BUILD_SETTINGS"]);
    });

    it("knows its levels", async () => {
      const { exitCode, last } = await json(["rebuild", "x", "--at-least", "perfect"]);
      expect([exitCode, last["code"]]).toEqual([2, "ERR_CLI_OPTION_INVALID"]);
    });
  });

  describe("admission", () => {
    it("refuses at tier 3 a named image that was neither built nor pulled here, and leaves nothing", async () => {
      const { name } = await world.createRuntime(AGENT);
      const built = await json(["build", name]);
      expect(built.exitCode).toBe(0);
      const before = await world.leftovers();
      const [image = ""] = await world.images();
      const args = ["up", name, "--image", image, "--tier", "3", "--allow-privileged"];
      const { exitCode, last } = await json(args);
      expect([exitCode, last["code"]]).toEqual([3, "ERR_TRUST_REFUSED"]);
      expect(last["message"]).toContain("rule knownDigest");
      expect(last["hint"]).toMatch(/Build it from its template/);
      expect(await world.leftovers()).toEqual(before);
    });

    it("starts nothing under a policy that cannot be used", async () => {
      const { name } = await world.createRuntime(AGENT);
      const broken = await policyFile('{ "rules": { "sined": true } }');
      for (const file of [broken, join(world.directory, "absent.json"), "policy.json"]) {
        const { exitCode, last } = await json(["up", name], { MOLECULE_ADMISSION_POLICY: file });
        expect([exitCode, last["code"]]).toEqual([2, "ERR_TRUST_POLICY"]);
      }
      expect(await world.leftovers()).toEqual([]);
    });

    it("warns where the policy only warns, and says so afterwards", async () => {
      const { name } = await world.createRuntime(AGENT);
      const policy = await policyFile({
        effect: "warn",
        rules: { provenance: true, pinnedBases: true },
      });
      const env = { MOLECULE_ADMISSION_POLICY: policy };
      const up = await json(["up", name, "--name", "warned"], env);
      expect([up.exitCode, up.last["admission"]]).toMatchObject([0, { decision: "warned" }]);
      expect(jsonLines(up.run)).toContainEqual(
        expect.objectContaining({
          type: "warning",
          code: "WARN_WORKSPACE_ADMISSION",
          message: expect.stringContaining("rule pinnedBases"),
        }),
      );
      const why = await json(["why", "warned"], env);
      expect(why.last).toMatchObject({
        name: "warned",
        source: expect.stringContaining(`template-${name}`),
        provenance: {
          builder: `urn:molecule:install:${world.installId}`,
          commit: expect.stringMatching(/^[0-9a-f]{40}$/),
        },
        verdict: {
          decision: "warned",
          passed: ["provenance"],
          findings: [{ rule: "pinnedBases", effect: "warn" }],
        },
      });
      const text = await world.cli(["why", "warned"], { env });
      expect(text.stdout).toMatch(/admission +warned/);
      expect(text.stdout).toMatch(/rule pinnedBases +warn: /);
      const inspected = await world.cli(["inspect", "warned"], { env });
      expect(inspected.stdout).toMatch(
        /origin +built by urn:molecule:install:\S+; commit [0-9a-f]{12}; from molecule-test\/busybox:latest sha256:\S+; warned rule pinnedBases\n/,
      );
      await world.cli(["rm", "warned"]);
    });

    it("shows a workspace also where nobody can say what admission thinks of it", async () => {
      const { name } = await world.createRuntime(AGENT);
      await world.cli(["up", name, "--name", "shown"]);
      const env = { MOLECULE_ADMISSION_POLICY: join(world.directory, "absent.json") };
      const inspected = await world.cli(["inspect", "shown"], { env });
      expect(inspected.exitCode).toBe(0);
      expect(inspected.stdout).toMatch(/origin +not known: The admission policy .* cannot be read/);
      const failed = await json(["why", "shown"], env);
      expect([failed.exitCode, failed.last["code"]]).toEqual([2, "ERR_TRUST_POLICY"]);
      await world.cli(["rm", "shown"]);
    });
  });
});
