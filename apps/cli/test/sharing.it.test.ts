import {
  findBuildx,
  findTestEngine,
  findTestRegistry,
  startTestRegistry,
} from "@molecule-ai/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { AGENT, createWorld, type World } from "./support/world.js";

const engine = await findTestEngine();
const found = await findTestRegistry();
const buildx = await findBuildx();

describe.skipIf(engine.skip !== undefined)("a local build", () => {
  let world: World;
  beforeAll(async () => {
    world = await createWorld(engine.socketPath ?? "");
  });
  afterAll(async () => {
    await world[Symbol.asyncDispose]();
  });

  it.skipIf(found.skip !== undefined)(
    "is pushed, and shares its cache, where the environment says so",
    async () => {
      const auth = { username: "operator", password: "s3cret-of-the-operator" };
      await using registry = await startTestRegistry({ auth });
      const basic = Buffer.from(`${auth.username}:${auth.password}`).toString("base64");
      const env = {
        DOCKER_AUTH_CONFIG: JSON.stringify({ auths: { [registry.host]: { auth: basic } } }),
        MOLECULE_LOCAL_BUILD_PUSH: `${registry.host}/team`,
        MOLECULE_LOCAL_BUILD_CACHE_REF: `${registry.host}/team/cache`,
      };
      const ask = async (path: string): Promise<unknown> => {
        const headers = { authorization: `Basic ${basic}` };
        return (await fetch(`${registry.url}/v2/${path}`, { headers })).json();
      };
      const { name, repository } = await world.createRuntime(AGENT);
      const { exitCode, last, run } = await world.json(["build", name], { env });
      expect(exitCode).toBe(0);
      expect(last).toMatchObject({
        image: { outcome: "built", digest: expect.stringMatching(/^sha256:/) as string },
      });
      const short = (await repository.head()).slice(0, 12);
      const { tags } = (await ask(`team/workspace-template-${name}/tags/list`)) as {
        tags: string[];
      };
      expect(tags).toEqual(expect.arrayContaining([short, "latest"]));
      expect(await ask("team/cache/tags/list")).toMatchObject({
        tags: [expect.stringMatching(/^cache-[a-z0-9]+-[0-9a-f]{8}-main-[0-9a-f]{8}$/)],
      });
      expect(`${run.stdout}${run.stderr}`).not.toContain(basic);
      expect(`${run.stdout}${run.stderr}`).not.toContain(auth.password);
    },
  );

  it.skipIf(buildx.skip !== undefined)("is built by the backend that is named", async () => {
    const { name } = await world.createRuntime(AGENT);
    const named = { MOLECULE_BUILD_BACKEND: "buildx-docker" };
    const missing = await world.json(["build", name], {
      env: { ...named, MOLECULE_BUILDX_PATH: "/nothing/here" },
    });
    expect(missing.last).toMatchObject({ details: { causeCode: "ERR_BUILD_BACKEND" } });
    const built = await world.json(["build", name], {
      env: { ...named, MOLECULE_BUILDX_PATH: buildx.file ?? "" },
    });
    expect(built.last).toMatchObject({ image: { outcome: "built" } });
  });

  it("does not start with a setting that means nothing", async () => {
    const { name } = await world.createRuntime(AGENT);
    const { exitCode, last } = await world.json(["build", name], {
      env: { MOLECULE_LOCAL_BUILD_PUSH: "https://registry.example.com" },
    });
    expect(exitCode).toBe(2);
    expect(last).toMatchObject({ code: "ERR_LOCAL_BUILD_SETTINGS" });
  });
});
