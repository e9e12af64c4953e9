import { describe, expect, it } from "vitest";
import type { HostConfig } from "./host-config.js";
import { effectiveCapabilities } from "./capabilities.js";
import {
  mountsWorkspace,
  tierEnvironment,
  tierHostConfig,
  type TierHostConfigOptions,
} from "./tier-host-config.js";
import { tierLimitsFromEnv } from "./tier-limits.js";
import { normaliseTier, type Tier, TIERS } from "./tier.js";

const configs = "ws-0123456789ab-configs:/configs";
const workspace = "ws-0123456789ab-workspace:/workspace";
const sessions = "ws-0123456789ab-claude-sessions:/root/.claude/sessions";
const secrets = "ws-0123456789ab-secrets:/run/molecule:ro";
const socket = "/var/run/docker.sock:/var/run/docker.sock";

function hostConfigOf(tier: Tier, overrides: Partial<TierHostConfigOptions> = {}): HostConfig {
  return tierHostConfig({
    tier,
    limits: tierLimitsFromEnv({}).limits,
    binds: { configs, workspace },
    networkName: "molecule-monorepo-net",
    ...overrides,
  });
}

describe("the HostConfig of a tier", () => {
  const published = {
    NetworkMode: "molecule-monorepo-net",
    PortBindings: { "8000/tcp": [{ HostIp: "127.0.0.1", HostPort: "" }] },
  };
  const common = {
    RestartPolicy: { Name: "unless-stopped" },
    ExtraHosts: ["host.docker.internal:host-gateway"],
  };

  it("is exactly this for tier 1", () => {
    expect(hostConfigOf(1)).toStrictEqual({
      Binds: [configs],
      ...common,
      ...published,
      Memory: 536870912,
      NanoCpus: 1000000000,
      PidsLimit: 512,
      Init: true,
      ReadonlyRootfs: true,
      Tmpfs: {
        "/tmp": "rw,noexec,nosuid,size=64m",
        "/var/tmp": "rw,exec,nosuid,nodev,size=64m,mode=1777",
        "/home/agent": "rw,exec,nosuid,nodev,size=128m,mode=0755,uid=1000,gid=1000",
        "/workspace": "rw,exec,nosuid,nodev,size=128m,mode=0755,uid=1000,gid=1000",
        "/run": "rw,noexec,nosuid,nodev,size=16m,mode=0755",
        "/root/.cache": "rw,noexec,nosuid,nodev,size=64m,mode=0700",
        "/root/.claude/sessions": "rw,noexec,nosuid,nodev,size=16m,mode=1777",
      },
      CapDrop: ["ALL"],
      CapAdd: ["CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL", "SETGID", "SETUID"],
      SecurityOpt: ["no-new-privileges"],
    });
  });

  it("is exactly this for tier 2", () => {
    expect(hostConfigOf(2)).toStrictEqual({
      Binds: [configs, workspace],
      ...common,
      ...published,
      Memory: 536870912,
      NanoCpus: 1000000000,
      PidsLimit: 1024,
      Init: true,
      SecurityOpt: ["no-new-privileges"],
    });
  });

  it("is exactly this for tier 3", () => {
    expect(hostConfigOf(3)).toStrictEqual({
      Binds: [configs, workspace],
      ...common,
      ...published,
      Memory: 2147483648,
      NanoCpus: 2000000000,
      PidsLimit: 4096,
      Privileged: true,
      PidMode: "host",
    });
  });

  it("is exactly this for tier 4", () => {
    expect(hostConfigOf(4)).toStrictEqual({
      Binds: [configs, workspace, socket],
      ...common,
      NetworkMode: "host",
      Memory: 4294967296,
      NanoCpus: 4000000000,
      Privileged: true,
      PidMode: "host",
    });
  });
});

describe("tierHostConfig", () => {
  it.each([99, 0])("gives tier %i what tier 2 has", (value) => {
    expect(hostConfigOf(normaliseTier(value))).toEqual(hostConfigOf(2));
  });

  it("escalates in this order", () => {
    const matrix = TIERS.map((tier) => {
      const { Privileged, NetworkMode, PidMode, ReadonlyRootfs } = hostConfigOf(tier);
      return [
        Privileged === true,
        NetworkMode === "host",
        PidMode === "host",
        ReadonlyRootfs === true,
      ];
    });
    expect(matrix).toEqual([
      [false, false, false, true],
      [false, false, false, false],
      [true, false, true, false],
      [true, true, true, false],
    ]);
  });

  it("keeps of all mounts only configs and secrets on tier 1", () => {
    const state = "ws-0123456789ab-state:/home/agent";
    const binds = { configs, workspace, sessions, state, secrets };
    expect(hostConfigOf(1, { binds }).Binds).toEqual([configs, secrets]);
    expect(hostConfigOf(2, { binds }).Binds).toEqual([
      configs,
      workspace,
      sessions,
      state,
      secrets,
    ]);
    expect(hostConfigOf(3, { binds }).Binds).toEqual(hostConfigOf(2, { binds }).Binds);
    expect(hostConfigOf(4, { binds }).Binds).toEqual([...hostConfigOf(2, { binds }).Binds, socket]);
    expect(TIERS.filter(mountsWorkspace)).toEqual([2, 3, 4]);
  });

  it("gives a sandboxed workspace memory wherever templates write and may also execute", () => {
    const { Tmpfs = {} } = hostConfigOf(1);
    for (const path of ["/tmp", "/home/agent", "/workspace", "/run", "/root/.claude/sessions"]) {
      expect(Object.keys(Tmpfs)).toContain(path);
    }
    expect(Tmpfs["/tmp"]).toContain("noexec");
    const { TMPDIR = "" } = tierEnvironment(1);
    expect(Tmpfs[TMPDIR]).toMatch(/\bexec\b/);
    expect(TIERS.slice(1).map(tierEnvironment)).toEqual([{}, {}, {}]);
  });

  it("never mounts twice at one path, which engines refuse", () => {
    const { Binds, Tmpfs = {} } = hostConfigOf(1, {
      binds: { configs, secrets: "ws-0123456789ab-secrets:/run" },
    });
    expect(Binds).toContain("ws-0123456789ab-secrets:/run");
    expect(Object.keys(Tmpfs)).not.toContain("/run");
  });

  it("leaves a sandboxed entrypoint what it needs to hand files over and drop root", () => {
    const granted = effectiveCapabilities(hostConfigOf(1));
    for (const capability of ["CHOWN", "SETUID", "SETGID", "FOWNER", "DAC_OVERRIDE"]) {
      expect(granted).toContain(capability);
    }
    for (const capability of ["NET_RAW", "MKNOD", "SYS_ADMIN", "SETPCAP", "SYS_CHROOT"]) {
      expect(granted).not.toContain(capability);
    }
  });

  it("lets the init of a sandboxed workspace pass SIGTERM on to uid 1000", () => {
    expect(hostConfigOf(1).Init).toBe(true);
    expect(effectiveCapabilities(hostConfigOf(1))).toContain("KILL");
  });

  it("publishes nothing and joins no network on the host's network", () => {
    const hostConfig = hostConfigOf(4, { agentPort: 9000 });
    expect(hostConfig.NetworkMode).toBe("host");
    expect(hostConfig).not.toHaveProperty("PortBindings");
  });

  it("publishes the agent's port on localhost only", () => {
    expect(hostConfigOf(2, { agentPort: 9000 }).PortBindings).toEqual({
      "9000/tcp": [{ HostIp: "127.0.0.1", HostPort: "" }],
    });
  });

  it("keeps all grants of tier 3 under other limits", () => {
    const { limits } = tierLimitsFromEnv({ TIER3_MEMORY_MB: "8192", TIER3_CPU_SHARES: "4096" });
    expect(hostConfigOf(3, { limits })).toMatchObject({
      Memory: 8192 * 1024 * 1024,
      NanoCpus: 4e9,
      Privileged: true,
      PidMode: "host",
    });
  });

  it("names the OCI runtime of its tier alone", () => {
    const { limits } = tierLimitsFromEnv({ TIER1_RUNTIME: "runsc" });
    expect(hostConfigOf(1, { limits }).Runtime).toBe("runsc");
    expect(hostConfigOf(2, { limits })).not.toHaveProperty("Runtime");
  });

  it("mounts the socket the engine really has", () => {
    const dockerSocketPath = "/run/user/1000/docker.sock";
    expect(hostConfigOf(4, { dockerSocketPath }).Binds.at(-1)).toBe(
      "/run/user/1000/docker.sock:/var/run/docker.sock",
    );
  });
});
