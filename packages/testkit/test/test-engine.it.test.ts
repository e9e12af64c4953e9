import { afterAll, describe, expect, it } from "vitest";
import {
  BUSYBOX_IMAGE,
  buildScratchImage,
  busyboxImage,
  callEngine,
  callEngineJson,
  cleanupEngine,
  encodeRegistryAuth,
  findTestEngine,
  findTestRegistry,
  pushImage,
  startFakeRegistry,
  startTestRegistry,
  uniqueName,
  type RegistryCredentials,
  type RegistryFault,
} from "../src/index.js";

const engine = await findTestEngine();
const registry = await findTestRegistry();
const label = `molecule.test.run=${uniqueName("testkit")}`;
const [labelKey, labelValue] = label.split("=") as [string, string];

describe.skipIf(engine.skip !== undefined)("a test engine", () => {
  const socketPath = engine.socketPath ?? "";
  afterAll(() => cleanupEngine(socketPath, label));

  it("gets the busybox image once, however many ask at a time", async () => {
    const refs = await Promise.all([1, 2, 3].map(() => busyboxImage(socketPath)));
    expect(new Set(refs)).toEqual(new Set([BUSYBOX_IMAGE]));
  });

  it("runs an image made of files, with users and applets", async () => {
    const ref = `molecule-test/${uniqueName("files")}:latest`;
    await buildScratchImage({
      socketPath,
      ref,
      files: { "/srv/www/hello": { content: "hi\n", uid: 1000, mode: 0o600 } },
      cmd: ["sh", "-c", "id -u agent && stat -c %u:%a /srv/www/hello && exit 7"],
      labels: { [labelKey]: labelValue },
      env: { QUOTED: 'a "b" $c' },
    });
    const image = await callEngineJson<{ Config: { Env: string[] } }>(socketPath, {
      method: "GET",
      path: `/images/${ref}/json`,
    });
    expect(image.Config.Env).toContain('QUOTED=a "b" $c');
    const { Id } = await callEngineJson<{ Id: string }>(socketPath, {
      method: "POST",
      path: "/containers/create",
      body: { Image: ref, Labels: { [labelKey]: labelValue } },
    });
    await callEngineJson(socketPath, { method: "POST", path: `/containers/${Id}/start` });
    const waited = await callEngineJson<{ StatusCode: number }>(socketPath, {
      method: "POST",
      path: `/containers/${Id}/wait`,
    });
    expect(waited.StatusCode).toBe(7);
    const logs = await callEngine(socketPath, {
      method: "GET",
      path: `/containers/${Id}/logs?stdout=1&stderr=1`,
    });
    expect(logs.body.toString()).toMatch(/1000\n[^]*1000:600\n/);
  });

  it("forgets everything that carries a label", async () => {
    const name = uniqueName("mol-testkit");
    const Labels = { [labelKey]: labelValue };
    const body = { Name: name, Labels };
    await callEngineJson(socketPath, { method: "POST", path: "/volumes/create", body });
    await cleanupEngine(socketPath, label);
    const answer = await callEngine(socketPath, { method: "GET", path: `/volumes/${name}` });
    expect(answer.status).toBe(404);
  });

  it.skipIf(registry.skip !== undefined)(
    "pushes to a real registry that refuses strangers",
    async () => {
      const auth = { username: "anna", password: "s3cret:with/odd+chars" };
      await using served = await startTestRegistry({ auth });
      const target = `${served.host}/team/box:v1`;
      const image = await busyboxImage(socketPath);
      await expect(pushImage(socketPath, image, target)).rejects.toThrow();
      await pushImage(socketPath, image, target, auth);
      expect((await fetch(`${served.url}/v2/team/box/manifests/v1`)).status).toBe(401);
      const basic = Buffer.from(`${auth.username}:${auth.password}`).toString("base64");
      const answer = await fetch(`${served.url}/v2/team/box/manifests/v1`, {
        headers: { authorization: `Basic ${basic}` },
      });
      expect(answer.status).toBe(200);
    },
  );

  it("pulls from the fake registry, and is refused as told", async () => {
    const auth = { username: "bob", password: "pw-of-bob" };
    await using fake = await startFakeRegistry({ auth });
    const pull = async (credentials?: RegistryCredentials): Promise<string> => {
      const answer = await callEngine(socketPath, {
        method: "POST",
        path: `/images/create?fromImage=${fake.host}/any/thing&tag=1`,
        headers: {
          "x-registry-auth": encodeRegistryAuth(credentials),
        },
      });
      return `${answer.status} ${answer.body.toString()}`;
    };
    try {
      expect(await pull()).not.toContain(fake.digest);
      expect(await pull(auth)).toContain(fake.digest);
    } finally {
      await callEngine(socketPath, { method: "DELETE", path: `/images/${fake.host}/any/thing:1` });
    }
    const faults: RegistryFault[] = [
      "unauthorized",
      "forbidden",
      "not-found",
      "rate-limited",
      "server-error",
      "wrong-digest",
    ];
    for (const fault of faults) {
      fake.fault = fault;
      expect(await pull(auth), fault).toMatch(/^[45]|errorDetail/);
    }
  });
});
