import {
  createRedactor,
  runStage,
  systemClock,
  type Clock,
  type Redactor,
} from "@molecule-ai/core";
import { mountsWorkspace, normaliseTier } from "@molecule-ai/host-config";
import type { EnsureImageOptions, ImageSource, ResolvedImage } from "@molecule-ai/registry-mode";
import type { Admission, AdmissionAnswer } from "./admission.js";
import { collectTimings, type StageTiming } from "./collect-timings.js";
import { noConfigSource } from "./config-source.js";
import { defaultConfigYaml, readAgentPort } from "./config-yaml.js";
import { WorkspaceError } from "./errors.js";
import { ownSignal } from "./own-signal.js";
import { planWorkspace } from "./plan-workspace.js";
import { createHttpProbe, type Probe } from "./probe.js";
import type { Provisioner, RestartOptions, UpOptions, UpRequest, UpResult } from "./provisioner.js";
import { waitUntilReady } from "./readiness.js";
import type { PlanSettings } from "./settings.js";
import { sweep } from "./sweep.js";
import { readTemplate, type Template } from "./template.js";
import type { StartOptions, WorkspaceBackend, WorkspaceSeed } from "./workspace-backend.js";
import type { WorkspacePlan } from "./workspace-plan.js";
import type { WorkspaceSpec } from "./workspace-spec.js";

export interface ProvisionerOptions {
  readonly backend: WorkspaceBackend;
  readonly imageSource: ImageSource;
  readonly settings: PlanSettings;
  /** Makes an image that a spec names itself present; without it such a spec is refused. */
  readonly ensureImage?:
    ((ref: string, options: EnsureImageOptions) => Promise<ResolvedImage>) | undefined;
  /** Asked whether a workspace may start from an image; without it every image may be started. */
  readonly admission?: Admission | undefined;
  readonly clock?: Clock | undefined;
  readonly redactor?: Redactor | undefined;
  /** How readiness is asked for; HTTP by default. */
  readonly createProbe?: (() => Probe) | undefined;
}

/** The use cases of one installation on one backend. */
export function createProvisioner(options: ProvisionerOptions): Provisioner {
  const { backend, imageSource, settings } = options;
  const clock = options.clock ?? systemClock;
  const redactor = options.redactor ?? createRedactor();
  const createProbe = options.createProbe ?? createHttpProbe;

  const ensureImage = async (
    spec: WorkspaceSpec,
    ensureOptions: EnsureImageOptions,
  ): Promise<ResolvedImage> => {
    if (spec.image === undefined || spec.image === "") {
      return imageSource.ensure(spec.runtime, ensureOptions);
    }
    if (options.ensureImage !== undefined) return options.ensureImage(spec.image, ensureOptions);
    throw new WorkspaceError(
      "ERR_WORKSPACE_SETTINGS_INVALID",
      `Image ${spec.image} was asked for, but this provisioner only starts the images of runtimes.`,
      { hint: "Leave the image out." },
    );
  };

  /** Before anything is made of the image, so that a refusal leaves nothing to take back. */
  const askAdmission = async (
    spec: WorkspaceSpec,
    image: ResolvedImage,
    run: UpOptions,
  ): Promise<AdmissionAnswer | undefined> => {
    const answer = await options.admission?.({
      workspaceId: spec.id,
      runtime: spec.runtime,
      tier: normaliseTier(spec.tier),
      image,
      isNamed: spec.image !== undefined && spec.image !== "",
      signal: run.signal,
      onEvent: run.onEvent,
    });
    for (const { rule, message, remedy } of answer?.findings ?? []) {
      run.onEvent?.({
        type: "warning",
        code: "WARN_WORKSPACE_ADMISSION",
        message: `${image.ref}: rule ${rule}: ${message}.`,
        hint: remedy,
      });
    }
    return answer;
  };

  /** Applies a plan and, when wanted, waits until the agent answers, while all can be undone. */
  const apply = async (
    plan: WorkspacePlan,
    start: Pick<StartOptions, "seed" | "replace" | "takeOver">,
    run: UpOptions,
  ): Promise<{ readonly url: string; readonly ready: boolean }> => {
    let readyUrl: string | undefined;
    const wantsReady = run.wait !== false;
    const started = await backend.start(plan, {
      ...start,
      signal: run.signal,
      onEvent: run.onEvent,
      verify: async (candidate) => {
        if (!wantsReady) return;
        if (!candidate.reachable) {
          run.onEvent?.({
            type: "warning",
            code: "WARN_WORKSPACE_UNREACHABLE",
            message: `${candidate.url} is reached only from the engine's own machine; readiness is judged by the process alone.`,
            hint: "Set MOLECULE_PUBLISH_ADDRESS to an address of that machine, or use a tunnel.",
          });
        }
        await using probe = createProbe();
        readyUrl = await runStage(
          {
            stage: "ready",
            subject: candidate.url,
            clock,
            onEvent: run.onEvent,
            outcome: () => "ready",
          },
          () =>
            waitUntilReady(candidate, {
              backend,
              probe,
              clock,
              redactor,
              timeoutMs: run.readyTimeoutMs ?? settings.readyTimeoutMs,
              totalTimeoutMs: Math.max(
                settings.readyTotalTimeoutMs,
                run.readyTimeoutMs ?? settings.readyTimeoutMs,
              ),
              signal: run.signal,
            }),
        );
      },
    });
    return { url: readyUrl ?? started.url, ready: readyUrl !== undefined };
  };

  const toResult = (
    plan: WorkspacePlan,
    image: ResolvedImage,
    applied: { readonly url: string; readonly ready: boolean },
    facts: {
      readonly timings: readonly StageTiming[];
      readonly admission: AdmissionAnswer | undefined;
    },
  ): UpResult => {
    const { id, name, tier, internalUrl } = plan;
    const { admission } = facts;
    return {
      id,
      name,
      tier,
      internalUrl,
      image,
      admission,
      timings: [...facts.timings],
      ...applied,
    };
  };

  return {
    plan: (spec) => planWorkspace(spec, settings),

    async up(spec, upOptions: UpRequest = {}) {
      upOptions.signal?.throwIfAborted();
      const signal = ownSignal(upOptions.signal);
      for (const secret of Object.values(spec.secrets ?? {})) redactor.add(secret);
      if (spec.authToken !== undefined) redactor.add(spec.authToken);
      const { sink, timings } = collectTimings(upOptions.onEvent);
      const run: UpOptions = { ...upOptions, signal, onEvent: sink };

      // What is refused is refused before a server is asked or an image is built.
      const given = await runStage(
        {
          stage: "resolve",
          subject: spec.runtime,
          clock,
          onEvent: sink,
          outcome: () => "accepted",
        },
        async () => {
          planWorkspace(spec, settings);
          warnOfUnusedDirectory(spec, run);
          const template = await readGivenTemplate(spec, signal);
          if (upOptions.replace !== true) await refuseExisting(backend, spec.id, signal);
          const kept =
            upOptions.replace === true
              ? await recallKept(backend, spec, { ...upOptions, template, signal })
              : NOTHING_KEPT;
          const config = spec.configFiles?.["config.yaml"] ?? template?.configYaml ?? kept.config;
          if (config !== undefined) await upOptions.checkConfig?.(config);
          return { template, kept, isChecked: config !== undefined };
        },
      );
      const { kept } = given;
      const image =
        kept.image ??
        (await ensureImage(spec, {
          signal,
          onEvent: sink,
          ref: spec.ref,
          offline: spec.offline,
        }));
      const admission = await askAdmission(spec, image, run);
      const prepared = await prepareSeed(spec, {
        given: given.template,
        fallbackPath: upOptions.fallbackTemplatePath ?? image.templatePath,
        signal,
      });
      const { template } = prepared;
      const seed =
        upOptions.rebuildConfig === true ? layFallbackOver(prepared.seed) : prepared.seed;
      if (!given.isChecked) {
        const config = template?.configYaml ?? prepared.seed.fallback?.configFiles?.["config.yaml"];
        if (config !== undefined) await upOptions.checkConfig?.(config);
      }
      const agentPort = kept.config === undefined ? undefined : readAgentPort(kept.config);
      const plan = planWorkspace(spec, settings, { image, template, agentPort });
      const { replace, takeOver } = upOptions;
      const applied = await apply(plan, { seed, replace, takeOver }, run);
      return toResult(plan, image, applied, { timings, admission });
    },

    async restart(id, restartOptions: RestartOptions = {}) {
      restartOptions.signal?.throwIfAborted();
      const signal = ownSignal(restartOptions.signal);
      const { sink, timings } = collectTimings(restartOptions.onEvent);
      const run: UpOptions = { ...restartOptions, signal, onEvent: sink };
      const known = await runStage(
        { stage: "resolve", subject: id, clock, onEvent: sink, outcome: () => "recalled" },
        () => backend.recall(id, { signal }),
      );
      const { spec, agentPort } = known;
      for (const secret of Object.values(spec.secrets ?? {})) redactor.add(secret);
      const image =
        restartOptions.upgrade === true
          ? await ensureImage(spec, { signal, onEvent: sink, ref: spec.ref })
          : known.image;
      const admission = await askAdmission(spec, image, run);
      const plan = planWorkspace(spec, settings, { image, agentPort });
      const secrets = spec.secrets ?? {};
      const seed: WorkspaceSeed = Object.keys(secrets).length === 0 ? {} : { secrets };
      const applied = await apply(plan, { seed, replace: true }, run);
      return toResult(plan, image, applied, { timings, admission });
    },

    sweep: (sweepOptions) => sweep(backend, clock, sweepOptions),
  };
}

/** What of a workspace outlives its replacement. */
interface Kept {
  /** The config.yaml that stays in force. */
  readonly config: Buffer | undefined;
  readonly image: ResolvedImage | undefined;
}

const NOTHING_KEPT: Kept = { config: undefined, image: undefined };

async function recallKept(
  backend: WorkspaceBackend,
  spec: WorkspaceSpec,
  options: Pick<UpRequest, "keepImage" | "lastImage" | "rebuildConfig" | "signal"> & {
    readonly template: Template | undefined;
  },
): Promise<Kept> {
  const { signal } = options;
  const isKept = options.keepImage === true;
  const existing = await backend.inspect(spec.id, { signal });
  if (existing === undefined || existing.status === "created") {
    return isKept ? { ...NOTHING_KEPT, image: options.lastImage } : NOTHING_KEPT;
  }
  const bringsConfig =
    options.rebuildConfig === true ||
    options.template !== undefined ||
    spec.configFiles?.["config.yaml"] !== undefined;
  return {
    config: bringsConfig
      ? undefined
      : await backend.files.read(spec.id, "/configs/config.yaml", { signal }),
    // Another runtime is another image, whatever is to be kept.
    image:
      isKept && existing.runtime === spec.runtime
        ? (await backend.recall(spec.id, { signal })).image
        : undefined,
  };
}

/** The fallback of a seed, given as if somebody had asked for it. */
function layFallbackOver({ fallback, ...seed }: WorkspaceSeed): WorkspaceSeed {
  if (fallback === undefined) return seed;
  const configFiles = { ...fallback.configFiles, ...seed.configFiles };
  return {
    ...seed,
    template: seed.template ?? fallback.template,
    ...(Object.keys(configFiles).length === 0 ? {} : { configFiles }),
  };
}

/** A long build for an id that is taken would be for nothing; the backend decides for good. */
async function refuseExisting(
  backend: WorkspaceBackend,
  id: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const existing = await backend.inspect(id, { signal });
  // One that was never started may be what an interrupted start left: the backend knows.
  if (existing === undefined || existing.status === "created") return;
  throw new WorkspaceError(
    "ERR_WORKSPACE_EXISTS",
    `Workspace ${id} exists already (${existing.status}).`,
    { hint: "Restart it, or remove it first.", details: { id, status: existing.status } },
  );
}

async function readGivenTemplate(
  spec: WorkspaceSpec,
  signal: AbortSignal | undefined,
): Promise<Template | undefined> {
  const { templatePath } = spec;
  if (templatePath === undefined || templatePath === "") {
    refuseEmptyConfig(spec, undefined);
    return undefined;
  }
  const template = await readTemplate(templatePath, { signal });
  refuseEmptyConfig(spec, template);
  return template;
}

/** A template must bring a config.yaml, and a given config.yaml must not be empty. */
function refuseEmptyConfig(spec: WorkspaceSpec, template: Template | undefined): void {
  const given = spec.configFiles?.["config.yaml"];
  if ((given?.byteLength ?? 0) > 0) return;
  if (given === undefined && template === undefined) return;
  if (template?.configYaml !== undefined) return;
  throw noConfigSource(template?.path ?? "");
}

/**
 * What goes into `/configs`. Given files and a given template always do; the template that came with
 * the image, or a generated config.yaml when there is none, only where kept storage has no config.
 */
async function prepareSeed(
  spec: WorkspaceSpec,
  options: {
    readonly given: Template | undefined;
    readonly fallbackPath: string | undefined;
    readonly signal: AbortSignal | undefined;
  },
): Promise<{ readonly seed: WorkspaceSeed; readonly template: Template | undefined }> {
  const { given, fallbackPath, signal } = options;
  const { configFiles, authToken, secrets, resetClaudeSession } = spec;
  const shared: WorkspaceSeed = {
    configFiles,
    authToken,
    secrets: Object.keys(secrets ?? {}).length === 0 ? undefined : secrets,
    resetSessions: resetClaudeSession === true || isTrue(spec.env?.["WORKSPACE_RESET_SESSION"]),
  };
  if (given !== undefined) return { seed: { ...shared, template: given }, template: given };
  if (fallbackPath !== undefined) {
    const template = await readTemplate(fallbackPath, { signal });
    refuseEmptyConfig(spec, template);
    return { seed: { ...shared, fallback: { template } }, template };
  }
  if (configFiles?.["config.yaml"] !== undefined) return { seed: shared, template: undefined };
  const generated = defaultConfigYaml({
    name: spec.name ?? spec.id,
    runtime: spec.runtime,
    tier: normaliseTier(spec.tier),
  });
  const fallback = { configFiles: { "config.yaml": Buffer.from(generated, "utf8") } };
  return { seed: { ...shared, fallback }, template: undefined };
}

function warnOfUnusedDirectory(spec: WorkspaceSpec, { onEvent }: UpOptions): void {
  const hasPath = spec.workspacePath !== undefined && spec.workspacePath !== "";
  const ignoredByTier = !mountsWorkspace(normaliseTier(spec.tier));
  if (!hasPath || (!ignoredByTier && spec.workspaceAccess !== "none")) return;
  onEvent?.({
    type: "warning",
    code: "WARN_WORKSPACE_PATH_UNUSED",
    message: `${spec.workspacePath} is not mounted: ${ignoredByTier ? "tier 1 has memory at /workspace" : "the workspace access is none"}.`,
    hint: ignoredByTier ? "Use tier 2 to work on it." : "Use access read_only or read_write.",
  });
}

/** The values Go's ParseBool takes for true. */
function isTrue(value: string | undefined): boolean {
  return ["1", "t", "T", "TRUE", "true", "True"].includes(value ?? "");
}
