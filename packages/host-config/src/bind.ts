import { HostConfigError } from "./errors.js";

const VOLUME_NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/;
// oxlint-disable-next-line no-control-regex
const UNWRITABLE = /[:,\u0000-\u001f\u007f]/;

/** True for a path that keeps its meaning inside `source:target:options`. */
export function isBindable(path: string): boolean {
  return path.startsWith("/") && !UNWRITABLE.test(path);
}

/**
 * `name:target[:ro]` for a named volume. Throws `ERR_HOST_CONFIG_BIND_INVALID` when the name is none
 * the engine takes, so that no id can smuggle a host path in.
 */
export function volumeBind(name: string, target: string, readOnly = false): string {
  if (!VOLUME_NAME.test(name) || name.length > 255) {
    throw new HostConfigError(
      "ERR_HOST_CONFIG_BIND_INVALID",
      `${JSON.stringify(name.slice(0, 120))} cannot be the name of a volume.`,
      { hint: "Use letters, digits, and _ . - after the first character." },
    );
  }
  return formatBind(name, target, readOnly);
}

/** `source:target[:ro]`. Throws `ERR_HOST_CONFIG_BIND_INVALID` for a target that cannot be written. */
export function formatBind(source: string, target: string, readOnly: boolean): string {
  if (!isBindable(target)) {
    throw new HostConfigError(
      "ERR_HOST_CONFIG_BIND_INVALID",
      `${JSON.stringify(target.slice(0, 120))} cannot be the target of a mount.`,
      { hint: "Use an absolute path without colons, commas and control characters." },
    );
  }
  return `${source}:${target}${readOnly ? ":ro" : ""}`;
}

interface ParsedBind {
  readonly source: string;
  readonly target: string;
  readonly readOnly: boolean;
}

/** The parts of a bind made by this package. */
export function parseBind(bind: string): ParsedBind {
  const [source = "", target = "", options = ""] = bind.split(":");
  return { source, target, readOnly: options.split(",").includes("ro") };
}
