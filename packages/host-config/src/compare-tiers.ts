import { parseBind } from "./bind.js";
import { capabilitiesBeyond } from "./capabilities.js";
import type { HostConfig, PortBinding } from "./host-config.js";

/** A field in which the first grants what the second does not. */
export interface GrantDifference {
  readonly field: keyof HostConfig;
  /** `incomparable`: which of the two grants more cannot be told. */
  readonly kind: "more" | "incomparable";
  /** What is granted, and what is granted in its place; for people. */
  readonly lower: string;
  readonly higher: string;
}

/**
 * Every field in which `lower` grants more than `higher`; none means that whoever has `higher` can
 * do whatever `lower` allows. `RestartPolicy` and `Init` are left out: they grant nothing.
 */
export function compareTiers(lower: HostConfig, higher: HostConfig): readonly GrantDifference[] {
  const found: GrantDifference[] = [];
  const report = (field: keyof HostConfig, a: string, b: string): void => {
    found.push({ field, kind: "more", lower: a, higher: b });
  };

  for (const bind of bindsBeyond(lower, higher)) report("Binds", bind, higher.Binds.join(" "));
  if (lower.ReadonlyRootfs !== true && higher.ReadonlyRootfs === true) {
    report("ReadonlyRootfs", "writable", "read-only");
  }
  for (const path of tmpfsBeyond(lower, higher)) {
    report("Tmpfs", `${path} ${lower.Tmpfs?.[path]}`, higher.Tmpfs?.[path] ?? "read-only");
  }
  if (lower.Privileged === true && higher.Privileged !== true) {
    report("Privileged", "true", "false");
  }
  for (const capability of capabilitiesBeyond(lower, higher)) {
    report("CapAdd", capability, "dropped");
  }
  if (!isConfined(lower) && isConfined(higher)) {
    report("SecurityOpt", "new privileges", "no-new-privileges");
  }
  if (lower.PidMode === "host" && higher.PidMode !== "host") report("PidMode", "host", "private");
  if (higher.NetworkMode !== "host" && lower.NetworkMode !== higher.NetworkMode) {
    report("NetworkMode", lower.NetworkMode, higher.NetworkMode);
  }
  for (const port of portsBeyond(lower, higher)) report("PortBindings", port, "not published");
  for (const host of lower.ExtraHosts.filter((entry) => !higher.ExtraHosts.includes(entry))) {
    report("ExtraHosts", host, higher.ExtraHosts.join(" "));
  }
  for (const field of ["Memory", "NanoCpus", "PidsLimit"] as const) {
    const [a, b] = [ceiling(lower[field]), ceiling(higher[field])];
    if (a > b) report(field, String(a), String(b));
  }
  if (lower.Runtime !== higher.Runtime) {
    const [a, b] = [lower.Runtime ?? "default", higher.Runtime ?? "default"];
    found.push({ field: "Runtime", kind: "incomparable", lower: a, higher: b });
  }
  return found;
}

function bindsBeyond(lower: HostConfig, higher: HostConfig): string[] {
  const granted = higher.Binds.map(parseBind);
  return lower.Binds.filter((bind) => {
    const { source, target, readOnly } = parseBind(bind);
    return !granted.some(
      (other) =>
        other.source === source && other.target === target && (readOnly || !other.readOnly),
    );
  });
}

// A writable root, or a writable mount at the very path, gives at least what a tmpfs gives.
function tmpfsBeyond(lower: HostConfig, higher: HostConfig): string[] {
  if (higher.ReadonlyRootfs !== true) return [];
  const writable = higher.Binds.map(parseBind).filter((bind) => !bind.readOnly);
  return Object.entries(lower.Tmpfs ?? {})
    .filter(([path, options]) => {
      if (writable.some((bind) => bind.target === path)) return false;
      const other = higher.Tmpfs?.[path];
      return other === undefined || tmpfsGrantsMore(options, other);
    })
    .map(([path]) => path);
}

function tmpfsGrantsMore(lower: string, higher: string): boolean {
  const [a, b] = [lower.split(","), higher.split(",")];
  if (["noexec", "nosuid", "nodev", "ro"].some((flag) => b.includes(flag) && !a.includes(flag))) {
    return true;
  }
  return sizeOf(a) > sizeOf(b);
}

function sizeOf(options: readonly string[]): number {
  const match = options.map((option) => /^size=(\d+)m$/.exec(option)).find((found) => found);
  return match?.[1] === undefined ? Number.POSITIVE_INFINITY : Number(match[1]);
}

function isConfined(hostConfig: HostConfig): boolean {
  return hostConfig.SecurityOpt?.includes("no-new-privileges") ?? false;
}

function portsBeyond(lower: HostConfig, higher: HostConfig): string[] {
  if (higher.NetworkMode === "host") return [];
  return Object.entries(lower.PortBindings ?? {}).flatMap(([port, bindings]) => {
    const granted = higher.PortBindings?.[port] ?? [];
    return bindings
      .filter((binding) => !granted.some((other) => covers(other, binding)))
      .map(({ HostIp, HostPort }) => `${HostIp}:${HostPort}->${port}`);
  });
}

function covers(other: PortBinding, binding: PortBinding): boolean {
  const everywhere = other.HostIp === "" || other.HostIp === "0.0.0.0";
  return (everywhere || other.HostIp === binding.HostIp) && other.HostPort === binding.HostPort;
}

function ceiling(limit: number | undefined): number {
  return limit === undefined || limit <= 0 ? Number.POSITIVE_INFINITY : limit;
}
