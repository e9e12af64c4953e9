import { isProvisionerError } from "@molecule-ai/core";
import type { ContainerInfo, DockerEngine } from "@molecule-ai/docker-engine";
import { AUTH_TOKEN_NAME } from "../config-files.js";
import { WorkspaceError } from "../errors.js";
import { formatSecretFile, SECRETS_DIRECTORY, SECRETS_FILE } from "../secret-file.js";
import type { Template } from "../template.js";
import type { WorkspaceSeed } from "../workspace-backend.js";
import type { ImageUser } from "./image-user.js";
import { createSeedArchive, type SeedEntry } from "./seed-archive.js";
import type { StartRun } from "./start-run.js";

export interface SeedContents {
  readonly seed: WorkspaceSeed;
  readonly user: ImageUser;
  /** Write what is only for storage that has no config.yaml. */
  readonly withFallback: boolean;
  readonly secretsAsFile: boolean;
  /** The volume at /workspace is new. */
  readonly newWorkspaceVolume: boolean;
}

/** Whom the templates' entrypoints become, and who then has to write into /workspace. */
const AGENT: ImageUser = { uid: 1000, gid: 1000 };

/** All that goes into a workspace, parents before children, the later of two files of one name. */
export function listSeedEntries(contents: SeedContents): readonly SeedEntry[] {
  const { seed, user, withFallback } = contents;
  const fallback = withFallback ? seed.fallback : undefined;
  const entries = new Map<string, SeedEntry>();
  const add = (path: string, mode: number, content: SeedEntry["content"]): void => {
    entries.set(path, { path, mode, uid: user.uid, gid: user.gid, content });
  };
  const addDirectories = (path: string): void => {
    const parts = path.split("/");
    for (let depth = 3; depth < parts.length; depth += 1) {
      const parent = parts.slice(0, depth).join("/");
      if (!entries.has(parent)) add(parent, 0o755, { kind: "directory" });
    }
  };
  const addTemplate = (template: Template | undefined): void => {
    for (const entry of template?.entries ?? []) {
      // The token is the platform's to give, whatever a template brings.
      if (template === undefined || entry.name === AUTH_TOKEN_NAME) continue;
      const path = `/configs/${entry.name}`;
      if (entry.kind === "directory") add(path, entry.mode | 0o700, { kind: "directory" });
      else add(path, entry.mode, { kind: "template", template, entry });
    }
  };
  const addFiles = (files: Readonly<Record<string, Uint8Array>> | undefined): void => {
    for (const [name, bytes] of Object.entries(files ?? {})) {
      const path = `/configs/${name}`;
      addDirectories(path);
      add(path, 0o644, { kind: "bytes", bytes });
    }
  };
  addTemplate(fallback?.template);
  addTemplate(seed.template);
  addFiles(fallback?.configFiles);
  addFiles(seed.configFiles);
  if (seed.authToken !== undefined) {
    const bytes = Buffer.from(seed.authToken, "utf8");
    add(`/configs/${AUTH_TOKEN_NAME}`, 0o600, { kind: "bytes", bytes });
  }
  if (contents.secretsAsFile) {
    add(SECRETS_DIRECTORY, 0o700, { kind: "directory" });
    const bytes = Buffer.from(formatSecretFile(seed.secrets ?? {}), "utf8");
    add(SECRETS_FILE, 0o400, { kind: "bytes", bytes });
  }
  if (contents.newWorkspaceVolume) {
    const owner = user.uid === 0 ? AGENT : user;
    const content = { kind: "directory" } as const;
    entries.set("/workspace", { path: "/workspace", mode: 0o755, ...owner, content });
  }
  return [...entries.values()];
}

/** Puts `entries` into a container that was never started; failures are `ERR_WORKSPACE_SEED_FAILED`. */
export async function putSeed(
  run: StartRun,
  containerId: string,
  entries: readonly SeedEntry[],
  target: { readonly readOnlyRoot: boolean; readonly user: ImageUser },
): Promise<void> {
  try {
    if (!target.readOnlyRoot) {
      await putEntries(run, containerId, "/", [...ownedRoots(entries, target.user), ...entries]);
      return;
    }
    // A read-only root takes nothing at `/`, but the volumes below it do.
    for (const base of ["/configs", "/run/molecule"]) {
      const below = entries.filter(({ path }) => path.startsWith(`${base}/`));
      if (below.length > 0) await putEntries(run, containerId, base, below);
    }
  } catch (error) {
    run.signal?.throwIfAborted();
    if (isProvisionerError(error, "ERR_WORKSPACE_TEMPLATE_UNSAFE")) throw error;
    throw new WorkspaceError(
      "ERR_WORKSPACE_SEED_FAILED",
      `The configuration of workspace ${run.id} could not be written.`,
      {
        hint: "Look at the cause; a full disk on the engine's host is the usual one.",
        cause: error,
        retryable: isProvisionerError(error) && error.retryable,
        details: isProvisionerError(error) ? { cause: error.code, reason: error.message } : {},
      },
    );
  }
}

/** An image that does not start as root cannot take `/configs` over by itself. */
function ownedRoots(entries: readonly SeedEntry[], user: ImageUser): readonly SeedEntry[] {
  if (user.uid === 0 || !entries.some(({ path }) => path.startsWith("/configs/"))) return [];
  return [{ path: "/configs", mode: 0o755, ...user, content: { kind: "directory" } }];
}

async function putEntries(
  run: StartRun,
  containerId: string,
  base: string,
  entries: readonly SeedEntry[],
): Promise<void> {
  const archive = createSeedArchive(entries, base, run.createdAt);
  // The engine reports a cut body as its own failure; what broke the archive is the real one.
  let broken: Error | undefined;
  archive.once("error", (error) => (broken = error));
  try {
    await run.context.engine.containers.putArchive(containerId, base, archive, {
      signal: run.signal,
    });
  } catch (error) {
    throw broken ?? error;
  } finally {
    archive.destroy();
  }
}

const MOST_BACKUP_BYTES = 64 * 1024 * 1024;

/**
 * Remembers the files that `entries` will replace in storage shared with a running workspace, and
 * how to put them back. Files that were not there before stay after an undo.
 */
export async function backUp(
  run: StartRun,
  container: Pick<ContainerInfo, "id">,
  entries: readonly SeedEntry[],
): Promise<void> {
  const { engine } = run.context;
  const saved: { readonly directory: string; readonly tar: Buffer }[] = [];
  let totalBytes = 0;
  for (const { path, content } of entries) {
    if (content.kind === "directory") continue;
    const tar = await readWhole(
      engine,
      container.id,
      path,
      MOST_BACKUP_BYTES - totalBytes,
      run.signal,
    );
    if (tar === undefined) continue;
    totalBytes += tar.length;
    saved.push({ directory: path.slice(0, path.lastIndexOf("/")), tar });
  }
  if (saved.length === 0) return;
  run.undo.push(async (signal) => {
    for (const { directory, tar } of saved) {
      await engine.containers.putArchive(container.id, directory, tar, { signal });
    }
    return `${saved.length} configuration files put back`;
  });
}

async function readWhole(
  engine: DockerEngine,
  containerId: string,
  path: string,
  maxBytes: number,
  signal: AbortSignal | undefined,
): Promise<Buffer | undefined> {
  const archive = await engine.containers.getArchive(containerId, path, { signal });
  if (archive === undefined) return undefined;
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of archive) {
    length += (chunk as Buffer).length;
    if (length > maxBytes) {
      archive.destroy();
      throw new WorkspaceError(
        "ERR_WORKSPACE_SEED_FAILED",
        `The files that would be replaced have more than ${MOST_BACKUP_BYTES} bytes, too many to put back after a failure.`,
        { hint: "Remove the workspace with its volumes kept, and start it again." },
      );
    }
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks);
}
