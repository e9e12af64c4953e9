import { z } from "zod";
import type { CallOptions, EngineDiskUsage, EngineInfo } from "../engine.js";
import type { Ping } from "./ping.js";
import type { Transport } from "./transport.js";
import { count, strings, text } from "./wire.js";

const INFO = z.looseObject({
  ID: text,
  Name: text,
  OSType: text,
  Architecture: text,
  KernelVersion: text,
  Driver: text,
  DriverStatus: z.array(strings).nullish(),
  DockerRootDir: text,
  NCPU: count,
  MemTotal: count,
  ServerVersion: text,
  SecurityOptions: strings,
  Runtimes: z.record(z.string(), z.unknown()).nullish(),
});

const VERSION = z.looseObject({ Version: text, ApiVersion: text, Arch: text, Os: text });

/** `/info` and `/version` as one record. */
export async function readEngineInfo(
  transport: Transport,
  ping: Ping,
  options: CallOptions | undefined,
): Promise<EngineInfo> {
  const get = { method: "GET", subject: "Ask the engine about itself", ...options } as const;
  const [info, version] = await Promise.all([
    transport.json({ ...get, path: "/info" }, INFO),
    transport.json({ ...get, path: "/version" }, VERSION),
  ]);
  return {
    // Podman has no identity of its own.
    id: info.ID === "" ? info.Name : info.ID,
    name: info.Name,
    version: version.Version === "" ? info.ServerVersion : version.Version,
    apiVersion: version.ApiVersion === "" ? ping.apiVersion : version.ApiVersion,
    os: info.OSType === "" ? version.Os : info.OSType,
    arch: version.Arch === "" ? info.Architecture : version.Arch,
    kernel: info.KernelVersion,
    storageDriver: info.Driver,
    containerdStore: (info.DriverStatus ?? []).some(
      ([name, value]) => name === "driver-type" && value === "io.containerd.snapshotter.v1",
    ),
    rootDir: info.DockerRootDir,
    cpus: info.NCPU,
    memoryBytes: info.MemTotal,
    runtimes: Object.keys(info.Runtimes ?? {}),
    rootless: info.SecurityOptions.some((option) => option.split(",").includes("name=rootless")),
    buildkit: ping.buildkit,
    podman: ping.podman,
  };
}

const DISK_USAGE = z.looseObject({
  LayersSize: count,
  Containers: z.array(z.looseObject({ SizeRw: count })).nullish(),
  Volumes: z
    .array(z.looseObject({ UsageData: z.looseObject({ Size: count }).nullish() }))
    .nullish(),
  BuildCache: z.array(z.looseObject({ Size: count })).nullish(),
});

// The engine walks every volume for this.
export const DISK_USAGE_TIMEOUT_MS: number = 5 * 60_000;

/** `/system/df` summed up. */
export async function readDiskUsage(
  transport: Transport,
  options: CallOptions | undefined,
): Promise<EngineDiskUsage> {
  const usage = await transport.json(
    {
      method: "GET",
      path: "/system/df",
      subject: "Measure the engine's disk usage",
      timeoutMs: DISK_USAGE_TIMEOUT_MS,
      ...options,
    },
    DISK_USAGE,
  );
  // The engine says -1 for what it did not measure.
  const sum = (sizes: readonly number[]): number =>
    sizes.reduce((total, size) => total + Math.max(0, size), 0);
  return {
    imagesBytes: sum([usage.LayersSize]),
    containersBytes: sum((usage.Containers ?? []).map((container) => container.SizeRw)),
    volumesBytes: sum((usage.Volumes ?? []).map((volume) => volume.UsageData?.Size ?? 0)),
    buildCacheBytes: sum((usage.BuildCache ?? []).map((entry) => entry.Size)),
  };
}
