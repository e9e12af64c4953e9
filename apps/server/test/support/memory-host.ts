import { runStage, systemClock, type EventSink, type Stage } from "@molecule-ai/core";
import type { DockerEngine, ImageInfo } from "@molecule-ai/docker-engine";
import type { Provenance } from "@molecule-ai/image-trust";
import {
  createProvisioner,
  provisionerSettingsFromEnv,
  WorkspaceError,
  type Admission,
  type PlanSettings,
  type StartOptions,
  type WorkspaceBackend,
  type WorkspaceDetails,
  type WorkspaceNotice,
  type WorkspacePlan,
  type WorkspaceSeed,
  type WorkspaceStatus,
} from "@molecule-ai/provisioner-core";
import {
  resolveRegistry,
  runtimesFromEnv,
  type ImageSource,
  type ResolvedImage,
} from "@molecule-ai/registry-mode";
import { tierLimitsFromEnv } from "@molecule-ai/host-config";
import { createHash } from "node:crypto";
import { ServerError } from "../../src/errors.js";
import type { Host, HostLink } from "../../src/host/host.js";

/** Where a script may step in, just before it happens. `ready` is asked again and again. */
export type MemoryHostPoint =
  "image" | "create" | "seed" | "start" | "ready" | "stop" | "remove" | "inspect" | "list" | "logs";

export interface MemoryHostStep {
  /** Workspace, or the runtime for `image`. */
  readonly subject: string;
  readonly signal: AbortSignal | undefined;
  /** For `image`: what a pull or build would tell. */
  readonly onEvent: EventSink;
}

/** Rejects to make the step fail; takes its time to delay it. */
export type MemoryHostScript = (step: MemoryHostStep) => void | Promise<void>;

/** One workspace of the host, with what a test may look at. */
export interface MemoryWorkspace {
  readonly plan: WorkspacePlan;
  readonly seed: WorkspaceSeed;
  readonly image: string;
  readonly url: string;
  /** How many containers the workspace had so far. */
  readonly generation: number;
  status: WorkspaceStatus;
  exitCode: number | undefined;
}

/** A host without an engine; see `createMemoryHost`. */
export interface MemoryHost extends HostLink {
  readonly host: Host;
  readonly workspaces: ReadonlyMap<string, MemoryWorkspace>;
  /** Storage that is there, by workspace: path → content. */
  readonly storage: ReadonlyMap<string, ReadonlyMap<string, Uint8Array>>;
  /** How images came to be, by id. */
  readonly provenances: Map<string, Provenance>;
  /** Runs `script` before every step of that kind, until the result is called. */
  before(point: MemoryHostPoint, script: MemoryHostScript): () => void;
  /** The process of a workspace ends by itself. */
  exit(id: string, exitCode: number): void;
  /** The container of a workspace disappears; its storage stays. */
  vanish(id: string): void;
  /** The process of a workspace writes a line. */
  write(id: string, line: string): void;
  /** Nothing answers until `reconnect`. */
  disconnect(): void;
  reconnect(): void;
}

export interface MemoryHostOptions {
  readonly hostId?: string | undefined;
  readonly installId?: string | undefined;
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** Asked before every start; default: nobody is. */
  readonly admission?: Admission | undefined;
}

/**
 * A host link whose backend and images live in memory, behind the real use cases: what the backend's
 * contract promises holds here too (a replacement leaves the old one running when it fails, storage
 * outlives the container, absence is undefined and doubt is an error).
 */
export function createMemoryHost(options: MemoryHostOptions = {}): MemoryHost {
  const env = options.env ?? {};
  const runtimes = runtimesFromEnv(env);
  const settings: PlanSettings = {
    ...provisionerSettingsFromEnv(env),
    installId: options.installId ?? "memory",
    registry: resolveRegistry({ ...env, MOLECULE_IMAGE_REGISTRY: "registry.test/molecule" }),
    runtimes,
    limits: tierLimitsFromEnv(env).limits,
  };
  const workspaces = new Map<string, MemoryWorkspace>();
  const storage = new Map<string, Map<string, Uint8Array>>();
  const provenances = new Map<string, Provenance>();
  const logs = new Map<string, string[]>();
  /** Images that are on the engine, by reference and by id. */
  const present = new Set<string>();
  const scripts = new Map<MemoryHostPoint, Set<MemoryHostScript>>();
  const listeners = new Set<(notice: WorkspaceNotice) => void>();
  const logListeners = new Set<(id: string) => void>();
  let isConnected = true;
  let port = 20_000;

  const unavailable = (): ServerError =>
    new ServerError("ERR_ENGINE_UNAVAILABLE", "The container engine does not answer.", {
      hint: "Start it.",
      retryable: true,
    });
  const run = async (
    point: MemoryHostPoint,
    subject: string,
    signal?: AbortSignal,
    onEvent: EventSink = () => undefined,
  ): Promise<void> => {
    signal?.throwIfAborted();
    for (const script of scripts.get(point) ?? []) {
      await abortable(Promise.resolve(script({ subject, signal, onEvent })), signal);
    }
    signal?.throwIfAborted();
    if (!isConnected) throw unavailable();
  };
  const tell = (notice: WorkspaceNotice): void => {
    for (const listener of listeners) listener(notice);
  };
  const requireWorkspace = (id: string): MemoryWorkspace => {
    const found = workspaces.get(id);
    if (found !== undefined) return found;
    throw new WorkspaceError("ERR_WORKSPACE_NOT_FOUND", `There is no workspace ${id}.`, {
      hint: "List the workspaces of this installation to see their ids.",
    });
  };
  const filesOf = (id: string): Map<string, Uint8Array> => {
    const files = storage.get(id) ?? new Map<string, Uint8Array>();
    storage.set(id, files);
    return files;
  };
  const describe = (id: string, { plan, ...found }: MemoryWorkspace): WorkspaceDetails => ({
    id,
    name: plan.name,
    runtime: plan.runtime,
    tier: plan.tier,
    status: found.status,
    url: found.status === "running" ? found.url : undefined,
    image: found.image,
    createdAt: 0,
    imageId: imageIdOf(found.image),
    revision: undefined,
    digest: digestOf(found.image),
    exitCode: found.exitCode,
    restartCount: 0,
    oomKilled: false,
    health: "none",
    startedAt: 0,
    finishedAt: undefined,
    volumes: [],
    envNames: plan.container.env.map((entry) => entry.split("=", 1)[0] ?? ""),
    raw: {},
  });

  const start = async (plan: WorkspacePlan, startOptions: StartOptions = {}) => {
    const { signal, onEvent, replace, seed = {} } = startOptions;
    const { id } = plan;
    const step = async (stage: Stage & MemoryHostPoint, work: () => void): Promise<void> => {
      await runStage(
        { stage, subject: plan.container.name, clock: systemClock, onEvent, outcome: () => "done" },
        async () => {
          await run(stage, id, signal);
          work();
        },
      );
    };
    const old = workspaces.get(id);
    if (old !== undefined && replace !== true) {
      throw new WorkspaceError("ERR_WORKSPACE_EXISTS", `Workspace ${id} exists already.`, {
        hint: "Restart it, or remove it first.",
      });
    }
    const hadStorage = storage.has(id);
    const before = new Map(storage.get(id));
    const wasStatus = old?.status;
    const next: MemoryWorkspace = {
      plan,
      seed,
      image: plan.container.image,
      url: `http://127.0.0.1:${(port += 1)}`,
      generation: (old?.generation ?? 0) + 1,
      status: "running",
      exitCode: undefined,
    };
    try {
      await step("create", () => void filesOf(id));
      await step("seed", () => applySeed(filesOf(id), seed));
      await step("start", () => void workspaces.set(id, next));
      tell({ type: "started", id, at: Date.now() });
      const started = { id, url: next.url, reachable: true };
      await startOptions.verify?.(started);
      signal?.throwIfAborted();
      return started;
    } catch (error) {
      // As the contract has it: the old one as it was, or nothing of the new one.
      if (old === undefined) workspaces.delete(id);
      else {
        if (wasStatus !== undefined) old.status = wasStatus;
        workspaces.set(id, old);
      }
      if (hadStorage) storage.set(id, before);
      else storage.delete(id);
      onEvent?.({ type: "undone", what: `workspace ${id} is as it was` });
      throw error;
    }
  };

  const backend: WorkspaceBackend = {
    start,
    async recall(id, { signal } = {}) {
      await run("inspect", id, signal);
      const { plan, seed, image } = requireWorkspace(id);
      return {
        spec: {
          id,
          name: plan.name,
          runtime: plan.runtime,
          tier: plan.tier,
          secrets: seed.secrets,
        },
        image: toImage(image),
        agentPort: plan.agentPort,
      };
    },
    async settle(id, { signal } = {}) {
      // A start in memory leaves nothing half done.
      await run("inspect", id, signal);
    },
    async stop(id, { signal } = {}) {
      await run("stop", id, signal);
      const found = workspaces.get(id);
      if (found === undefined) return false;
      if (found.status === "running" || found.status === "paused") {
        found.status = "exited";
        found.exitCode = 143;
        tell({ type: "exited", id, exitCode: 143, at: Date.now() });
      }
      return true;
    },
    async pause(id, { signal } = {}) {
      await run("stop", id, signal);
      requireWorkspace(id).status = "paused";
      tell({ type: "paused", id, at: Date.now() });
    },
    async resume(id, { signal } = {}) {
      await run("start", id, signal);
      requireWorkspace(id).status = "running";
      tell({ type: "resumed", id, at: Date.now() });
    },
    async inspect(id, { signal } = {}) {
      await run("inspect", id, signal);
      const found = workspaces.get(id);
      return found && describe(id, found);
    },
    async *watch({ signal }) {
      const queue: WorkspaceNotice[] = [];
      let wake = (): void => undefined;
      const listen = (notice: WorkspaceNotice): void => {
        queue.push(notice);
        wake();
      };
      listeners.add(listen);
      signal.addEventListener("abort", () => wake(), { once: true });
      try {
        const all = [...workspaces].map(([id, found]) => describe(id, found));
        yield { type: "relisted", workspaces: all, at: Date.now() };
        while (!signal.aborted) {
          const notice = queue.shift();
          if (notice !== undefined) yield notice;
          else await new Promise<void>((resolve) => (wake = resolve));
        }
      } finally {
        listeners.delete(listen);
      }
    },
    async *logs(id, { follow, tail, signal } = {}) {
      await run("logs", id, signal);
      requireWorkspace(id);
      const lines = logs.get(id) ?? [];
      logs.set(id, lines);
      let next = tail === undefined ? 0 : Math.max(0, lines.length - tail);
      let wake = (): void => undefined;
      const listen = (of: string): void => {
        if (of === id) wake();
      };
      logListeners.add(listen);
      signal?.addEventListener("abort", () => wake(), { once: true });
      try {
        for (;;) {
          signal?.throwIfAborted();
          for (; next < lines.length; next += 1) {
            yield { stream: "stdout", bytes: Buffer.from(`${lines[next]}\n`) };
          }
          if (follow !== true || workspaces.get(id)?.status !== "running") return;
          await new Promise<void>((resolve) => (wake = resolve));
        }
      } finally {
        logListeners.delete(listen);
      }
    },
    async exec(id, { signal }) {
      await run("inspect", id, signal);
      if (requireWorkspace(id).status === "running") return { exitCode: 0 };
      throw new WorkspaceError("ERR_WORKSPACE_NOT_RUNNING", `Workspace ${id} does not run.`, {
        hint: "Resume or restart it first.",
      });
    },
    files: {
      async stat(id, path, { signal } = {}) {
        await run("inspect", id, signal);
        const content = storage.get(id)?.get(path);
        if (content === undefined) return undefined;
        return {
          path,
          sizeBytes: content.byteLength,
          mode: 0o644,
          kind: "file",
          modifiedAt: 0,
        };
      },
      async read(id, path, { signal } = {}) {
        await run("inspect", id, signal);
        const content = storage.get(id)?.get(path);
        return content && Buffer.from(content);
      },
      async write(id, path, content, { signal } = {}) {
        await run("inspect", id, signal);
        filesOf(id).set(path, content);
      },
      copyIn: () => Promise.reject(new Error("A memory host copies no directories.")),
      copyOut: () => Promise.reject(new Error("A memory host copies no directories.")),
    },
    async remove(id, { keepVolumes, signal } = {}) {
      await run("remove", id, signal);
      const removed: string[] = [];
      if (workspaces.delete(id)) {
        removed.push(`ws-${id.slice(0, 12)}`);
        tell({ type: "removed", id, at: Date.now() });
      }
      if (keepVolumes !== true && storage.delete(id)) removed.push(`ws-${id.slice(0, 12)}-configs`);
      return { removed };
    },
    async list({ signal } = {}) {
      await run("list", "", signal);
      return [...workspaces].map(([id, found]) => describe(id, found));
    },
    async listOwned({ signal } = {}) {
      await run("list", "", signal);
      return [
        ...[...workspaces].map(([id, { status }]) => ({
          kind: "workspace" as const,
          name: `ws-${id.slice(0, 12)}`,
          workspaceId: id,
          createdAt: 0,
          running: status === "running",
        })),
        ...[...storage.keys()].map((id) => ({
          kind: "volume" as const,
          name: `ws-${id.slice(0, 12)}-configs`,
          workspaceId: id,
          createdAt: 0,
          running: false,
        })),
      ];
    },
    async removeOwned({ kind, workspaceId = "" }, { signal } = {}) {
      await run("remove", workspaceId, signal);
      return kind === "workspace" ? workspaces.delete(workspaceId) : storage.delete(workspaceId);
    },
  };

  const images: ImageSource = {
    async ensure(runtime, { signal, onEvent } = {}) {
      runtimes.require(runtime);
      return runStage(
        {
          stage: "pull",
          subject: runtime,
          clock: systemClock,
          onEvent,
          outcome: () => "pulled",
        },
        async () => {
          await run("image", runtime, signal, onEvent);
          const image = toImage(
            `registry.test/molecule/workspace-template-${runtime}@${digest(runtime)}`,
          );
          present.add(image.ref).add(image.imageId);
          return image;
        },
      );
    },
  };

  const host: Host = {
    id: options.hostId ?? "memory-engine",
    engine: createMemoryEngine(present, () => {
      if (!isConnected) throw unavailable();
    }),
    backend,
    images,
    provenanceOf: (imageId) => Promise.resolve(provenances.get(imageId)),
    settings,
    inDocker: false,
    provisioner: createProvisioner({
      backend,
      imageSource: images,
      settings,
      admission: options.admission,
      createProbe: () => ({
        async ask(url, signal) {
          const id = [...workspaces].find(([, found]) => found.url === url)?.[0] ?? "";
          await run("ready", id, signal);
          return { kind: "ready", status: 200 };
        },
        [Symbol.asyncDispose]: () => Promise.resolve(),
      }),
    }),
  };

  return {
    host,
    workspaces,
    storage,
    provenances,
    require: () => host,
    connected: () => Promise.resolve(host),
    ping: () => (isConnected ? Promise.resolve() : Promise.reject(unavailable())),
    before(point, script) {
      const set = scripts.get(point) ?? new Set();
      scripts.set(point, set.add(script));
      return () => void set.delete(script);
    },
    exit(id, exitCode) {
      const found = requireWorkspace(id);
      found.status = "exited";
      found.exitCode = exitCode;
      for (const listener of logListeners) listener(id);
      tell({ type: "exited", id, exitCode, at: Date.now() });
    },
    vanish(id) {
      workspaces.delete(id);
      for (const listener of logListeners) listener(id);
      tell({ type: "removed", id, at: Date.now() });
    },
    write(id, line) {
      const lines = logs.get(id) ?? [];
      // The same array: who follows the log holds it.
      lines.push(line);
      logs.set(id, lines);
      for (const listener of logListeners) listener(id);
    },
    disconnect: () => void (isConnected = false),
    reconnect: () => void (isConnected = true),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

function applySeed(files: Map<string, Uint8Array>, seed: WorkspaceSeed): void {
  const { fallback, configFiles, template, authToken, secrets } = seed;
  if (!files.has("/configs/config.yaml")) {
    if (fallback?.template?.configYaml !== undefined) {
      files.set("/configs/config.yaml", fallback.template.configYaml);
    }
    writeAll(files, fallback?.configFiles);
  }
  if (template?.configYaml !== undefined) files.set("/configs/config.yaml", template.configYaml);
  writeAll(files, configFiles);
  if (authToken !== undefined) files.set("/configs/.auth_token", Buffer.from(authToken));
  if (secrets !== undefined) {
    files.set("/run/molecule/secrets", Buffer.from(JSON.stringify(secrets)));
  }
}

function writeAll(
  files: Map<string, Uint8Array>,
  given: Readonly<Record<string, Uint8Array>> | undefined,
): void {
  for (const [name, content] of Object.entries(given ?? {})) files.set(`/configs/${name}`, content);
}

function digest(text: string): string {
  return `sha256:${createHash("sha256").update(text).digest("hex")}`;
}

function imageIdOf(ref: string): string {
  return digest(`image ${ref}`);
}

function digestOf(ref: string): string | undefined {
  return /@(sha256:[0-9a-f]{64})$/.exec(ref)?.[1];
}

function toImage(ref: string): ResolvedImage {
  return {
    ref,
    imageId: imageIdOf(ref),
    digest: digestOf(ref),
    revision: undefined,
    tree: undefined,
    source: undefined,
    platform: undefined,
    outcome: "pulled",
    templatePath: undefined,
  };
}

/** What of an engine the server asks for beside the backend; the rest is not there. */
function createMemoryEngine(present: ReadonlySet<string>, check: () => void): DockerEngine {
  const known = {
    endpoint: { kind: "unix", address: "/memory.sock", origin: "test" },
    async info() {
      check();
      return { id: "memory-engine", name: "memory", version: "0", apiVersion: "1.44" };
    },
    images: {
      list: async () => (check(), []),
      inspect: async (ref: string) => (check(), inspectImage(present, ref)),
      pull: async (ref: string) => (check(), { digest: digest(ref) }),
    },
    containers: { list: async () => (check(), []), inspect: async () => (check(), undefined) },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  return known as unknown as DockerEngine;
}

function inspectImage(present: ReadonlySet<string>, ref: string): Partial<ImageInfo> | undefined {
  if (!present.has(ref)) return undefined;
  const id = ref.startsWith("sha256:") ? ref : imageIdOf(ref);
  return { id, os: "linux", arch: "amd64", variant: undefined };
}

/** Work that is no longer waited for once the signal aborts; only for scripts, which hold nothing. */
async function abortable<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  let onAbort = (): void => undefined;
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason as Error);
    signal.addEventListener("abort", onAbort, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener("abort", onAbort);
    aborted.catch(() => undefined);
  }
}
