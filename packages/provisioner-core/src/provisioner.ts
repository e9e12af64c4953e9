import type { EventSink } from "@molecule-ai/core";
import type { ResolvedImage } from "@molecule-ai/registry-mode";
import type { AdmissionAnswer } from "./admission.js";
import type { WorkspacePlan } from "./workspace-plan.js";
import type { WorkspaceSpec } from "./workspace-spec.js";

export interface UpOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onEvent?: EventSink | undefined;
  /** Wait until the agent answers; default true. */
  readonly wait?: boolean | undefined;
  /** Longest wait for readiness without a sign of life; default 180 s. */
  readonly readyTimeoutMs?: number | undefined;
}

/** How `up` treats what is there already, and what it asks before it makes anything. */
export interface UpRequest extends UpOptions {
  /**
   * Prepare the new one beside a workspace of the same id and swap it in; where there is none it is
   * started as usual. Without it an existing one is `ERR_WORKSPACE_EXISTS`.
   */
  readonly replace?: boolean | undefined;
  /**
   * With `replace`: the very image of the workspace that is there, and no other, as long as it is of
   * the same runtime.
   */
  readonly keepImage?: boolean | undefined;
  /** With `keepImage`: the image it had, where there is no container any more that tells. */
  readonly lastImage?: ResolvedImage | undefined;
  /**
   * The configuration is made anew: what would be used only where there is none, the template of the
   * image or a generated config.yaml, is laid over what is there.
   */
  readonly rebuildConfig?: boolean | undefined;
  /**
   * Directory of a template that is used only where there is no configuration, in place of the one
   * that came with the image.
   */
  readonly fallbackTemplatePath?: string | undefined;
  /** See `StartOptions.takeOver`. */
  readonly takeOver?: boolean | undefined;
  /**
   * Called once with the config.yaml that will be in force, as early as it is known and before
   * anything is made; rejects to refuse it.
   */
  readonly checkConfig?: ((configYaml: Uint8Array) => void | Promise<void>) | undefined;
}

export interface UpResult {
  readonly id: string;
  readonly name: string;
  readonly url: string;
  /** How workspaces on the same network reach it. */
  readonly internalUrl: string;
  readonly tier: number;
  readonly image: ResolvedImage;
  /** Undefined when nobody was asked. */
  readonly admission?: AdmissionAnswer | undefined;
  /** Milliseconds by stage, in the order they ran. */
  readonly timings: readonly { readonly stage: string; readonly durationMs: number }[];
  readonly ready: boolean;
}

export interface RestartOptions extends UpOptions {
  /**
   * Ask again for what was asked for at first: the head of the template or of the ref that was
   * chosen, or the image that was named. Otherwise the very same image is used again.
   */
  readonly upgrade?: boolean | undefined;
}

export interface SweepOptions {
  /** True for a workspace id that somebody still wants. */
  readonly owned: (workspaceId: string) => boolean | Promise<boolean>;
  /** Younger resources are left alone; default 10 minutes. */
  readonly graceMs?: number | undefined;
  /**
   * Also storage whose workspace is gone. Default false: it may be what somebody kept on purpose, and
   * it is the only thing here that cannot be made again.
   */
  readonly volumes?: boolean | undefined;
  /** Only say what would go. */
  readonly dryRun: boolean;
  readonly signal?: AbortSignal | undefined;
  readonly onEvent?: EventSink | undefined;
}

export interface SweepResult {
  readonly removed: readonly string[];
  /** What was left, and why. */
  readonly kept: readonly { readonly name: string; readonly reason: string }[];
  readonly failed: readonly {
    readonly name: string;
    readonly code: string;
    readonly message: string;
  }[];
}

/** The use cases of one installation on one backend. */
export interface Provisioner {
  /** What `up` would do; touches neither engine nor network. */
  plan(spec: WorkspaceSpec): WorkspacePlan;
  /**
   * Image, storage, files, process, readiness. A failure leaves nothing of the new workspace behind;
   * one that was to be replaced runs again as before.
   */
  up(spec: WorkspaceSpec, options?: UpRequest): Promise<UpResult>;
  /** Starts the workspace anew from what the backend knows of it, beside the old one, and swaps. */
  restart(id: string, options?: RestartOptions): Promise<UpResult>;
  sweep(options: SweepOptions): Promise<SweepResult>;
}
