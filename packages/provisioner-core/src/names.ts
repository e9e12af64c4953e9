import { WorkspaceError } from "./errors.js";

/** Names carry this many characters of the workspace id; labels carry all of it. */
const SHORT_ID_LENGTH = 12;

/** Port agents listen on unless their config.yaml says otherwise. */
export const DEFAULT_AGENT_PORT = 8000;

/** Network the platform and its workspaces share. */
export const DEFAULT_NETWORK_NAME = "molecule-monorepo-net";

const ID = /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}$/;

/**
 * Throws `ERR_WORKSPACE_ID_INVALID` unless `id` can be part of container and volume names: 1 to 128
 * of `A-Z a-z 0-9 _ . -`, starting with a letter or digit.
 */
export function validateWorkspaceId(id: string): void {
  if (ID.test(id)) return;
  throw new WorkspaceError(
    "ERR_WORKSPACE_ID_INVALID",
    `"${id.slice(0, 140)}" is not a workspace id.`,
    {
      hint: "Use 1 to 128 letters, digits, dots, hyphens or underscores, starting with a letter or digit; a UUID is best.",
      details: { id: id.slice(0, 140) },
    },
  );
}

function shortId(id: string): string {
  return id.slice(0, SHORT_ID_LENGTH);
}

/** `ws-` and the first twelve characters of the id; also the network alias. */
export function containerName(id: string): string {
  return `ws-${shortId(id)}`;
}

/** Where a replacement waits until it is swapped in. */
export function nextContainerName(id: string): string {
  return `ws-${shortId(id)}-next`;
}

/** Where the replaced one waits until its replacement has proved itself. */
export function previousContainerName(id: string): string {
  return `ws-${shortId(id)}-prev`;
}

export function configVolumeName(id: string): string {
  return `ws-${shortId(id)}-configs`;
}

export function claudeSessionVolumeName(id: string): string {
  return `ws-${shortId(id)}-claude-sessions`;
}

export function secretsVolumeName(id: string): string {
  return `ws-${shortId(id)}-secrets`;
}

export function stateVolumeName(id: string): string {
  return `ws-${shortId(id)}-state`;
}

/** How other containers on the workspace network reach the agent. */
export function internalUrl(id: string, port: number = DEFAULT_AGENT_PORT): string {
  return `http://${containerName(id)}:${port}`;
}
