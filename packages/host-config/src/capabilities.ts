import type { HostConfig } from "./host-config.js";

/** What the engine leaves to a container that asks for nothing. */
const DEFAULT_CAPABILITIES: readonly string[] = [
  "AUDIT_WRITE",
  "CHOWN",
  "DAC_OVERRIDE",
  "FOWNER",
  "FSETID",
  "KILL",
  "MKNOD",
  "NET_BIND_SERVICE",
  "NET_RAW",
  "SETFCAP",
  "SETGID",
  "SETPCAP",
  "SETUID",
  "SYS_CHROOT",
];

const ALL = "ALL";

/** The capabilities root has in the container; `ALL` stands for every one. */
export function effectiveCapabilities(hostConfig: HostConfig): ReadonlySet<string> {
  const { Privileged, CapAdd = [], CapDrop = [] } = hostConfig;
  if (Privileged === true || CapAdd.includes(ALL)) return new Set([ALL]);
  const kept = CapDrop.includes(ALL)
    ? []
    : DEFAULT_CAPABILITIES.filter((capability) => !CapDrop.includes(capability));
  return new Set([...kept, ...CapAdd]);
}

/** Those of `lower` that `higher` does not have. */
export function capabilitiesBeyond(lower: HostConfig, higher: HostConfig): string[] {
  const granted = effectiveCapabilities(higher);
  if (granted.has(ALL)) return [];
  return [...effectiveCapabilities(lower)].filter((capability) => !granted.has(capability));
}
