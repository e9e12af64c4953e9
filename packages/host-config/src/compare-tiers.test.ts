import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compareTiers } from "./compare-tiers.js";
import { fitToEngine } from "./engine-fit.js";
import type { HostConfig } from "./host-config.js";
import { tierHostConfig, type WorkspaceBinds } from "./tier-host-config.js";
import { tierLimitsFromEnv } from "./tier-limits.js";
import { type Tier, TIERS } from "./tier.js";
import { workspaceMount, type WorkspaceMountOptions } from "./workspace-mount.js";

const base: HostConfig = {
  Binds: ["c:/configs"],
  RestartPolicy: { Name: "unless-stopped" },
  NetworkMode: "net",
  ExtraHosts: [],
};

// Each entry: what the lower grants beyond the higher, and in which field that must show.
const MORE: readonly (readonly [keyof HostConfig, Partial<HostConfig>, Partial<HostConfig>])[] = [
  ["Binds", { Binds: ["c:/configs", "/home/me:/workspace"] }, {}],
  ["Binds", { Binds: ["c:/configs"] }, { Binds: ["c:/configs:ro"] }],
  ["ReadonlyRootfs", {}, { ReadonlyRootfs: true }],
  ["Tmpfs", { ReadonlyRootfs: true, Tmpfs: { "/tmp": "rw" } }, { ReadonlyRootfs: true }],
  [
    "Tmpfs",
    { ReadonlyRootfs: true, Tmpfs: { "/tmp": "rw,exec,size=1m" } },
    { ReadonlyRootfs: true, Tmpfs: { "/tmp": "rw,noexec,size=1m" } },
  ],
  [
    "Tmpfs",
    { ReadonlyRootfs: true, Tmpfs: { "/tmp": "rw,noexec,size=65m" } },
    { ReadonlyRootfs: true, Tmpfs: { "/tmp": "rw,noexec,size=64m" } },
  ],
  ["Privileged", { Privileged: true }, {}],
  ["CapAdd", {}, { CapDrop: ["ALL"] }],
  ["CapAdd", { CapAdd: ["SYS_ADMIN"] }, {}],
  [
    "CapAdd",
    { CapDrop: ["ALL"], CapAdd: ["CHOWN", "KILL"] },
    { CapDrop: ["ALL"], CapAdd: ["CHOWN"] },
  ],
  ["SecurityOpt", {}, { SecurityOpt: ["no-new-privileges"] }],
  ["PidMode", { PidMode: "host" }, {}],
  ["NetworkMode", { NetworkMode: "host" }, {}],
  ["PortBindings", { PortBindings: { "80/tcp": [{ HostIp: "127.0.0.1", HostPort: "" }] } }, {}],
  [
    "PortBindings",
    { PortBindings: { "80/tcp": [{ HostIp: "0.0.0.0", HostPort: "" }] } },
    { PortBindings: { "80/tcp": [{ HostIp: "127.0.0.1", HostPort: "" }] } },
  ],
  ["ExtraHosts", { ExtraHosts: ["a:1.2.3.4"] }, {}],
  ["Memory", {}, { Memory: 1 }],
  ["Memory", { Memory: 2 }, { Memory: 1 }],
  ["NanoCpus", { NanoCpus: 0 }, { NanoCpus: 1 }],
  ["PidsLimit", { PidsLimit: -1 }, { PidsLimit: 1 }],
];

describe("compareTiers", () => {
  it.each(MORE)("reports %s: %j beyond %j", (field, lower, higher) => {
    const found = compareTiers({ ...base, ...lower }, { ...base, ...higher });
    expect(found.map((difference) => difference.field)).toContain(field);
    expect(found.every(({ kind }) => kind === "more")).toBe(true);
  });

  it.each(MORE)("reports nothing the other way round: %s, %j, %j", (_field, lower, higher) => {
    expect(compareTiers({ ...base, ...higher }, { ...base, ...lower })).toEqual([]);
  });

  it.each([
    ["Binds", { Binds: ["c:/configs"] }, { Binds: ["d:/configs"] }],
    ["Binds", { Binds: ["c:/configs"] }, { Binds: ["c:/other"] }],
    ["NetworkMode", { NetworkMode: "one" }, { NetworkMode: "other" }],
  ])("reports %s both ways where each has its own: %j, %j", (field, one, other) => {
    const pair = [
      { ...base, ...one },
      { ...base, ...other },
    ] as const;
    for (const found of [compareTiers(pair[0], pair[1]), compareTiers(pair[1], pair[0])]) {
      expect(found.map((difference) => difference.field)).toEqual([field]);
    }
  });

  it("calls runtimes incomparable: a name does not say what it isolates", () => {
    expect(compareTiers({ ...base, Runtime: "runsc" }, base)).toEqual([
      { field: "Runtime", kind: "incomparable", lower: "runsc", higher: "default" },
    ]);
    expect(compareTiers({ ...base, Runtime: "runsc" }, { ...base, Runtime: "runsc" })).toEqual([]);
  });

  it("takes a writable mount for more than a tmpfs at its path", () => {
    const sandboxed: HostConfig = { ...base, ReadonlyRootfs: true, Tmpfs: { "/work": "rw" } };
    const mounted: HostConfig = { ...base, ReadonlyRootfs: true, Binds: ["c:/configs", "w:/work"] };
    expect(compareTiers(sandboxed, mounted)).toEqual([]);
    const readOnly: HostConfig = { ...mounted, Binds: ["c:/configs", "w:/work:ro"] };
    expect(compareTiers(sandboxed, readOnly).map(({ field }) => field)).toEqual(["Tmpfs"]);
  });

  it("is reflexive", () => {
    for (const tier of TIERS)
      expect(compareTiers(planned(tier, {}, binds), planned(tier, {}, binds))).toEqual([]);
  });

  it("sees every step from a tier down to the one below", () => {
    const fields = ([higher, lower]: readonly [Tier, Tier]): string[] => [
      ...new Set(
        compareTiers(planned(higher, {}, binds), planned(lower, {}, binds)).map(
          ({ field }) => field,
        ),
      ),
    ];
    expect(fields([2, 1])).toEqual(["Binds", "ReadonlyRootfs", "CapAdd", "PidsLimit"]);
    expect(fields([3, 2])).toEqual([
      "Privileged",
      "CapAdd",
      "SecurityOpt",
      "PidMode",
      "Memory",
      "NanoCpus",
      "PidsLimit",
    ]);
    expect(fields([4, 3])).toEqual(["Binds", "NetworkMode", "Memory", "NanoCpus", "PidsLimit"]);
  });
});

const binds: WorkspaceBinds = { configs: "c:/configs", workspace: "w:/workspace" };

function planned(
  tier: Tier,
  env: Record<string, string>,
  mounts: WorkspaceBinds,
  rest: { readonly cpus?: number; readonly agentPort?: number } = {},
): HostConfig {
  const hostConfig = tierHostConfig({
    tier,
    limits: tierLimitsFromEnv(env).limits,
    binds: mounts,
    networkName: "net",
    agentPort: rest.agentPort,
  });
  const runtimes = TIERS.map((each) => env[`TIER${each}_RUNTIME`] ?? "");
  return fitToEngine(hostConfig, { cpus: rest.cpus ?? 64, runtimes }).hostConfig;
}

describe("the order of the tiers", () => {
  const value = fc.oneof(
    fc.integer({ min: 0, max: 1 << 20 }).map(String),
    fc.constantFrom("", "none", "-1", "6", "11"),
  );
  const setting = fc
    .tuple(fc.constantFrom(...TIERS), fc.constantFrom("MEMORY_MB", "CPU_SHARES", "PIDS_LIMIT"))
    .map(([tier, quantity]) => `TIER${tier}_${quantity}`);
  const limits = fc.dictionary(setting, value);
  const ociRuntimes = fc.dictionary(
    fc.constantFrom(...TIERS.map((tier) => `TIER${tier}_RUNTIME`)),
    fc.constantFrom("runc", "runsc", "kata", ""),
  );
  const optional = (bind: string): fc.Arbitrary<string | undefined> =>
    fc.constantFrom(undefined, bind, `${bind}:ro`);
  const mounts: fc.Arbitrary<WorkspaceBinds> = fc.record({
    configs: fc.constant("c:/configs"),
    workspace: fc
      .constantFrom<Omit<WorkspaceMountOptions, "id">>(
        {},
        { path: "/home/me/project" },
        { path: "/home/me/project", access: "read_only" },
        { path: "/home/me/project", access: "none" },
      )
      .map((mount) => workspaceMount({ id: "x", ...mount }).bind),
    sessions: optional("s:/root/.claude/sessions"),
    state: optional("h:/home/agent"),
    secrets: optional("k:/run/molecule"),
  });
  const rest = fc.record({
    cpus: fc.integer({ min: 1, max: 128 }),
    agentPort: fc.integer({ min: 1, max: 65535 }),
  });

  it("is 1 within 2 within 3 within 4, whatever limits, mounts, port and engine", () => {
    fc.assert(
      fc.property(limits, mounts, rest, (env, given, other) => {
        for (const lower of TIERS) {
          for (const higher of TIERS.filter((tier) => tier >= lower)) {
            const found = compareTiers(
              planned(lower, env, given, other),
              planned(higher, env, given, other),
            );
            expect(found, `${lower} in ${higher}`).toEqual([]);
          }
        }
      }),
      { numRuns: 300 },
    );
  });

  it("is in doubt only where the operator gave two tiers different OCI runtimes", () => {
    fc.assert(
      fc.property(limits, ociRuntimes, mounts, (env, runtimes, given) => {
        const all = { ...env, ...runtimes };
        for (const lower of [1, 2, 3] as const) {
          const higher = (lower + 1) as Tier;
          const found = compareTiers(planned(lower, all, given), planned(higher, all, given));
          expect(found.filter(({ kind }) => kind === "more")).toEqual([]);
          const differ =
            (all[`TIER${lower}_RUNTIME`] ?? "") !== (all[`TIER${higher}_RUNTIME`] ?? "");
          expect(found.map(({ field }) => field)).toEqual(differ ? ["Runtime"] : []);
        }
      }),
    );
  });
});
