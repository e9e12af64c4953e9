import { callEngineJson, findTestEngine } from "@molecule-ai/testkit";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { containerName, type WorkspaceSpec } from "../src/index.js";
import { nextContainerName, previousContainerName } from "../src/names.js";
import { execText, openLab, readLog, recordEvents, type Lab } from "./lab.js";

const found = await findTestEngine();

describe.skipIf(found.skip !== undefined)("up with replace", () => {
  let lab: Lab;
  beforeAll(async () => {
    lab = await openLab(found.socketPath ?? "");
  });
  afterAll(() => lab[Symbol.asyncDispose]());
  afterEach(async () => {
    for (const { id } of await lab.backend.list()) {
      await lab.backend.remove(id, { graceSeconds: 0 });
    }
  });

  /** A spec that brings no configuration of its own. */
  const bare = (spec: WorkspaceSpec): WorkspaceSpec => ({ ...spec, configFiles: undefined });

  it("starts as usual where there is nothing", async () => {
    const spec = lab.spec();
    const result = await lab.provisioner.up(spec, { replace: true, keepImage: true });
    expect(result).toMatchObject({ id: spec.id, ready: true });
    expect(result.internalUrl).toBe(`http://${containerName(spec.id)}:8000`);
    expect(await lab.leftovers()).toContain(`/${containerName(spec.id)}`);
  });

  it("swaps in what is asked for now, and keeps storage and configuration", async () => {
    const spec = lab.spec({
      env: { CUSTOM: "1" },
      secrets: { TEST_SECRET: "old" },
      authToken: "tok-old",
    });
    await lab.provisioner.up(spec);
    const before = await lab.raw(containerName(spec.id));
    await lab.backend.files.write(spec.id, "/workspace/note", Buffer.from("kept"));

    const wanted = {
      ...bare(spec),
      env: { CUSTOM: "2" },
      secrets: { TEST_SECRET: "new" },
      authToken: "tok-new",
    };
    const result = await lab.provisioner.up(wanted, { replace: true });
    expect(result).toMatchObject({ tier: 2, ready: true });
    const after = await lab.raw(containerName(spec.id));
    expect(after.Id).not.toBe(before.Id);
    expect(after.Config.Env).toContain("CUSTOM=2");
    const text = (path: string): Promise<string> => execText(lab.backend, spec.id, "cat", path);
    expect(await text("/workspace/note")).toBe("kept");
    expect(await text("/configs/config.yaml")).toBe("name: test\n");
    expect(await text("/configs/.auth_token")).toBe("tok-new");
    expect(await readLog(lab.backend, spec.id)).toContain(`secret: ${md5OfNew}`);
    const sandboxed = await lab.provisioner.up({ ...wanted, tier: 1 }, { replace: true });
    expect(sandboxed).toMatchObject({ tier: 1, ready: true });
    expect(await text("/configs/config.yaml")).toBe("name: test\n");
    expect(await leftContainers(spec.id)).toEqual([`/${containerName(spec.id)}`]);
  });

  it("leaves the old one running with its own token when the new one fails", async () => {
    const spec = lab.spec({ env: { CUSTOM: "1" }, authToken: "tok-old" });
    await lab.provisioner.up(spec);
    const before = await lab.raw(containerName(spec.id));
    const broken = await lab.buildImage({ entrypoint: ["/bin/sh", "-c", "exit 9"] });
    const { events, onEvent } = recordEvents();
    await expect(
      lab
        .provisionerOn(lab.backend, broken)
        .up(
          { ...bare(spec), env: { CUSTOM: "2" }, authToken: "tok-new" },
          { replace: true, onEvent },
        ),
    ).rejects.toMatchObject({ details: { exitCode: 9 } });
    const after = await lab.raw(containerName(spec.id));
    expect([after.Id, after.State.Status]).toEqual([before.Id, "running"]);
    expect(await execText(lab.backend, spec.id, "cat", "/configs/.auth_token")).toBe("tok-old");
    expect(events).toContainEqual({
      type: "undone",
      what: `workspace ${spec.id} runs again as before`,
    });
    expect(await leftContainers(spec.id)).toEqual([`/${containerName(spec.id)}`]);
  });

  it("takes the newest image, or the very one it has when that is asked for", async () => {
    const spec = lab.spec();
    await lab.provisioner.up(spec);
    const newest = await lab.buildImage({
      entrypoint: ["/bin/sh", "-c", "mkdir -p /tmp/s; exec httpd -f -p 8000 -h /tmp/s"],
    });
    const provisioner = lab.provisionerOn(lab.backend, newest);
    const kept = await provisioner.up(bare(spec), { replace: true, keepImage: true });
    expect(kept.image.imageId).toBe(lab.image.imageId);
    const upgraded = await provisioner.up(bare(spec), { replace: true });
    expect(upgraded.image.imageId).toBe(newest.imageId);
  });

  it("shows the config.yaml that will be in force before anything is changed", async () => {
    const spec = lab.spec();
    await lab.provisioner.up(spec);
    const before = await lab.raw(containerName(spec.id));
    const refusal = new Error("refused");
    const seen: string[] = [];
    const refuse = (config: Uint8Array): void => {
      seen.push(Buffer.from(config).toString("utf8"));
      throw refusal;
    };
    const run = { replace: true, checkConfig: refuse };
    await expect(lab.provisioner.up(bare(spec), run)).rejects.toBe(refusal);
    const given = { "config.yaml": Buffer.from("name: given\n") };
    await expect(lab.provisioner.up({ ...spec, configFiles: given }, run)).rejects.toBe(refusal);
    const rebuilt = lab.provisioner.up(bare(spec), { ...run, rebuildConfig: true });
    await expect(rebuilt).rejects.toBe(refusal);
    await expect(lab.provisioner.up(bare(lab.spec()), run)).rejects.toBe(refusal);
    expect(seen.slice(0, 2)).toEqual(["name: test\n", "name: given\n"]);
    expect(seen.slice(2)).toEqual(Array(2).fill(expect.stringContaining("runtime: test-agent")));
    const after = await lab.raw(containerName(spec.id));
    expect([after.Id, after.State]).toEqual([before.Id, before.State]);
    expect(await leftContainers(undefined)).toEqual([`/${containerName(spec.id)}`]);
  });

  it("makes the configuration anew only when that is asked for", async () => {
    const spec = lab.spec({ name: "Renamed" });
    await lab.provisioner.up(spec);
    await lab.provisioner.up(bare(spec), { replace: true });
    const config = (): Promise<string> =>
      execText(lab.backend, spec.id, "cat", "/configs/config.yaml");
    expect(await config()).toBe("name: test\n");
    await lab.provisioner.up(bare(spec), { replace: true, rebuildConfig: true });
    expect(await config()).toContain('name: "Renamed"');
  });

  it("goes on publishing the port that the kept config.yaml names", async () => {
    const image = await lab.buildImage({
      entrypoint: ["/bin/sh", "-c", "mkdir -p /tmp/s; exec httpd -f -p 9000 -h /tmp/s"],
    });
    const provisioner = lab.provisionerOn(lab.backend, image);
    const spec = lab.spec({ configFiles: { "config.yaml": Buffer.from("a2a: {port: 9000}\n") } });
    await provisioner.up(spec);
    const again = await provisioner.up(bare(spec), { replace: true });
    expect(again.ready).toBe(true);
    expect(again.internalUrl).toMatch(/:9000$/);
  });

  describe("after an attempt of an unknown process", () => {
    /** A container of the workspace that such an attempt created and never started. */
    const leave = async (id: string, name: string): Promise<void> => {
      await callEngineJson(lab.socketPath, {
        method: "POST",
        path: `/containers/create?name=${name}`,
        body: {
          Image: lab.image.ref,
          Labels: {
            "molecule.platform.managed": "true",
            "molecule.platform.install": lab.installId,
            "molecule.platform.workspace": id,
            "molecule.platform.attempt": "another-host/1/7/abc",
            "molecule.platform.created-at": String(Date.now()),
          },
        },
      });
    };

    it("is busy, but not for a caller that holds the workspace", async () => {
      const first = lab.spec();
      await leave(first.id, containerName(first.id));
      await expect(lab.provisioner.up(first, { replace: true })).rejects.toMatchObject({
        code: "ERR_WORKSPACE_BUSY",
      });
      await lab.provisioner.up(first, { replace: true, takeOver: true });
      expect(await leftContainers(first.id)).toEqual([`/${containerName(first.id)}`]);

      for (const name of [nextContainerName(first.id), previousContainerName(first.id)]) {
        await leave(first.id, name);
        await lab.provisioner.up(bare(first), { replace: true, takeOver: true });
        expect(await leftContainers(first.id), name).toEqual([`/${containerName(first.id)}`]);
      }
    });
  });

  it("settle clears away what an interrupted start left, and starts nothing", async () => {
    const spec = lab.spec();
    const name = containerName(spec.id);
    const previous = previousContainerName(spec.id);
    await lab.backend.settle(spec.id);
    await lab.provisioner.up(spec);
    const { containers } = lab.engine;
    // As if the process had died just before the prepared one got the name.
    await lab.backend.stop(spec.id);
    await containers.rename(name, previous);
    await lab.backend.settle(spec.id);
    expect(await leftContainers(spec.id)).toEqual([`/${name}`]);
    expect(await lab.backend.inspect(spec.id)).toMatchObject({ status: "exited" });
  });

  const leftContainers = async (id: string | undefined): Promise<string[]> => {
    const labels = [`molecule.platform.install=${lab.installId}`];
    if (id !== undefined) labels.push(`molecule.platform.workspace=${id}`);
    const filter = encodeURIComponent(JSON.stringify({ label: labels }));
    const path = `/containers/json?all=1&filters=${filter}`;
    const list = await callEngineJson<{ Names: string[] }[]>(lab.socketPath, {
      method: "GET",
      path,
    });
    return list.map(({ Names }) => Names[0] ?? "");
  };
});

/** `md5sum` of the new secret. */
const md5OfNew = "22af645d1859cb5ca6da0c484f1f37ea";
