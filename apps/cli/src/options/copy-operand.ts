import { CliError } from "../errors.js";

export type CopyOperand =
  | { readonly kind: "host"; readonly path: string }
  | { readonly kind: "workspace"; readonly workspace: string; readonly path: string };

/** Either direction, never none and never both. */
export interface CopyRequest {
  readonly direction: "in" | "out";
  readonly workspace: string;
  /** Absolute inside the workspace. */
  readonly inside: string;
  readonly host: string;
}

/**
 * `<workspace>:/path` names a place in a workspace, anything else one on this machine; a host path
 * that looks like it is written as `./name:/x`.
 */
export function parseCopyOperand(text: string): CopyOperand {
  const match = /^([^:/]+):(\/.*)$/s.exec(text);
  const [, workspace, path] = match ?? [];
  return workspace === undefined || path === undefined
    ? { kind: "host", path: text }
    : { kind: "workspace", workspace, path };
}

/** Throws `ERR_CLI_USAGE` unless exactly one of the two is in a workspace. */
export function parseCopy(source: string, target: string): CopyRequest {
  const from = parseCopyOperand(source);
  const to = parseCopyOperand(target);
  if (from.kind === "host" && to.kind === "workspace") {
    return { direction: "in", workspace: to.workspace, inside: to.path, host: from.path };
  }
  if (from.kind === "workspace" && to.kind === "host") {
    return { direction: "out", workspace: from.workspace, inside: from.path, host: to.path };
  }
  throw new CliError(
    "ERR_CLI_USAGE",
    from.kind === "host"
      ? "cp: neither source nor target is in a workspace"
      : "cp: source and target are both in a workspace",
    { hint: "Give one of the two as <workspace>:/absolute/path." },
  );
}
