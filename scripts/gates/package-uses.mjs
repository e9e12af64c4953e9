/** One real use of every public library; `api` is the installed package, `assert` is node:assert. */
export const USES = {
  "@molecule-ai/core": `
    assert.match(api.createWorkspaceId(), /^[0-9a-f-]{36}$/);
    assert.equal(api.redactUserinfo("https://user:secret@host/x").includes("secret"), false);`,
  "@molecule-ai/process-runner": `
    const { signal } = new AbortController();
    const echo = { file: "/bin/sh", args: ["-c", "cat"], env: {}, stdin: "hello", signal };
    const outcome = await api.runProcess({ ...echo, stdoutLimitBytes: 10 });
    assert.equal(outcome.kind, "exited");
    assert.equal(outcome.stdout.toString(), "hello");`,
  "@molecule-ai/registry-mode": `
    const reference = api.parseImageReference("localhost:5000/a/b:1");
    assert.equal(api.registryHost(reference), "localhost:5000");`,
  "@molecule-ai/host-config": `
    const { limits } = api.tierLimitsFromEnv({ TIER2_MEMORY_MB: "256" });
    const hostConfig = api.tierHostConfig({
      tier: 2, limits, binds: { configs: api.volumeBind("v", "/configs") }, networkName: "n",
    });
    assert.equal(hostConfig.Memory, 256 * 1024 * 1024);`,
  "@molecule-ai/gitea-client": `
    const repository = api.parseRepository("https://git.example.com/org/template.git");
    assert.ok(api.branchUrl(repository, "main").toString().startsWith("https://git.example.com/"));
    const client = api.createGiteaClient({ settings: api.giteaSettingsFromEnv({}) });
    assert.equal(typeof client.resolveHead, "function");`,
  "@molecule-ai/docker-engine": `
    const settings = api.engineSettingsFromEnv(
      { DOCKER_HOST: "unix:///no/such.sock" }, { homeDirectory: "/nowhere", platform: "linux" },
    );
    await assert.rejects(api.connectEngine({ settings }), { code: "ERR_ENGINE_UNREACHABLE" });`,
  "@molecule-ai/registry-client": `
    assert.equal(api.parseManifest({ schemaVersion: 2, manifests: [] }).kind, "index");
    const registries = api.createRegistryClient();
    await assert.rejects(registries.ping("not a host"), { code: "ERR_REGISTRY_ARGUMENT" });
    await registries[Symbol.asyncDispose]();`,
  "@molecule-ai/dockerfile": `
    const inventory = api.extractInventory("FROM alpine:3.20\\nRUN apk add git=2.45");
    assert.equal(inventory.packages[0].version, "2.45");
    assert.match(await api.formatCycloneDx(inventory), /CycloneDX/);`,
  "@molecule-ai/image-build": `
    assert.ok(api.DEFAULT_BUILD_LIMITS);
    assert.equal(typeof api.createImageBuilder({ engine: {} }).build, "function");`,
  "@molecule-ai/image-trust": `
    const facts = { imageId: "sha256:1", origin: undefined, digest: undefined };
    const request = { facts, policy: api.NO_ADMISSION_POLICY, tier: 4, now: 0 };
    assert.equal(api.admit(request).decision, "refused");`,
  "@molecule-ai/local-build": `
    assert.match(api.cacheKey("hello", "a".repeat(40), "https://git.example.com/x-"), /^[0-9a-f]{16}$/);
    assert.equal(typeof api.createLocalBuildSource, "function");`,
  "@molecule-ai/provisioner-core": `
    assert.equal(api.containerName("longer-than-twelve-characters"), "ws-longer-than-");
    await assert.rejects(api.validateConfigSource({}), { code: "ERR_WORKSPACE_NO_CONFIG_SOURCE" });`,
};
