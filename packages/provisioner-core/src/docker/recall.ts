import { LABELS } from "@molecule-ai/core";
import type { ContainerInfo, ImageInfo } from "@molecule-ai/docker-engine";
import { tierEnvironment, normaliseTier } from "@molecule-ai/host-config";
import { RESERVED_ENV_NAMES } from "../environment.js";
import { parseSecretFile, SECRETS_FILE, SECRETS_MOUNT } from "../secret-file.js";
import type { RecalledWorkspace } from "../workspace-backend.js";
import type { WorkspaceSpec } from "../workspace-spec.js";
import { readArchiveFile } from "./archive-file.js";
import type { DockerContext } from "./context.js";
import { agentPortOf } from "./details.js";
import { requireContainer } from "./ownership.js";

const MOST_SECRET_BYTES = 4 * 1024 * 1024;

/** See `WorkspaceBackend.recall`. */
export async function recallWorkspace(
  context: DockerContext,
  id: string,
  signal: AbortSignal | undefined,
): Promise<RecalledWorkspace> {
  const { engine } = context;
  const container = await requireContainer(context, id, signal);
  const hasSecrets = container.mounts.some(({ destination }) => destination === SECRETS_MOUNT);
  const [image, tagged, secretFile] = await Promise.all([
    engine.images.inspect(container.image, { signal }),
    engine.images.inspect(container.imageRef, { signal }),
    hasSecrets
      ? readArchiveFile(engine, container.id, SECRETS_FILE, MOST_SECRET_BYTES, signal)
      : undefined,
  ]);
  const secrets =
    secretFile === undefined ? {} : parseSecretFile(secretFile.content.toString("utf8"));
  return {
    spec: recallSpec(container, image?.env ?? [], secrets),
    image: {
      // The tag may mean another image by now; the id cannot.
      ref: tagged?.id === container.image ? container.imageRef : container.image,
      imageId: container.image,
      digest: /@(sha256:[0-9a-f]{64})$/.exec(container.imageRef)?.[1],
      revision: container.labels[LABELS.revision],
      tree: container.labels[LABELS.tree],
      source: container.labels[LABELS.source],
      platform: platformOf(image),
      outcome: "present",
      templatePath: undefined,
    },
    agentPort: agentPortOf(container.labels),
  };
}

/** What was asked for, read back from the container's labels, mounts and environment. */
export function recallSpec(
  container: Pick<ContainerInfo, "labels" | "env" | "mounts">,
  imageEnv: readonly string[],
  secrets: Readonly<Record<string, string>>,
): WorkspaceSpec {
  const { labels } = container;
  const id = labels[LABELS.workspace] ?? "";
  const tier = normaliseTier(labels[LABELS.tier]);
  const known = new Map(container.env.map(splitEntry));
  const directory = container.mounts.find(
    ({ type, destination }) => type === "bind" && destination === "/workspace",
  );
  const plain = recallEnvironment(container.env, imageEnv, tier);
  return {
    id,
    name: labels[LABELS.name],
    runtime: labels[LABELS.runtime] ?? "",
    ref: labels[LABELS.ref],
    image: labels[LABELS.image],
    tier,
    workspacePath: directory?.source,
    workspaceAccess:
      directory === undefined ? undefined : directory.writable ? "read_write" : "read_only",
    env: Object.fromEntries(plain.filter(([, value]) => !value.includes("\n"))),
    secrets: {
      // Only a secret may have several lines; it is plain where the image has no shell.
      ...Object.fromEntries(plain.filter(([, value]) => value.includes("\n"))),
      ...secrets,
    },
    platformUrl: known.get("PLATFORM_URL"),
    awarenessUrl: known.get("AWARENESS_URL"),
    awarenessNamespace: known.get("AWARENESS_NAMESPACE"),
  };
}

function recallEnvironment(
  env: readonly string[],
  imageEnv: readonly string[],
  tier: 1 | 2 | 3 | 4,
): [string, string][] {
  const ours = new Set([
    "PLUGINS_DIR=/plugins",
    "PYTHONPATH=/app",
    ...Object.entries(tierEnvironment(tier)).map(([name, value]) => `${name}=${value}`),
    ...imageEnv,
  ]);
  return env
    .filter((entry) => !ours.has(entry))
    .map(splitEntry)
    .filter(([name]) => !RESERVED_ENV_NAMES.includes(name));
}

function splitEntry(entry: string): [string, string] {
  const equals = entry.indexOf("=");
  return equals === -1 ? [entry, ""] : [entry.slice(0, equals), entry.slice(equals + 1)];
}

function platformOf(image: ImageInfo | undefined): string | undefined {
  if (image === undefined || image.os === "" || image.arch === "") return undefined;
  const { os, arch, variant } = image;
  return variant === undefined || variant === "" ? `${os}/${arch}` : `${os}/${arch}/${variant}`;
}
