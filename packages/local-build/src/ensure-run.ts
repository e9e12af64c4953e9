import {
  createDeadline,
  isProvisionerError,
  runStage,
  type Clock,
  type EventSink,
  type Redactor,
  type Stage,
  type WorkContext,
} from "@molecule-ai/core";
import type { DockerEngine } from "@molecule-ai/docker-engine";
import {
  parseRepository,
  type GiteaClient,
  type GiteaSettings,
  type TemplateRepository,
} from "@molecule-ai/gitea-client";
import type { BuildOptions, ImageBuilder } from "@molecule-ai/image-build";
import { templateRepositoryUrl, type Runtime } from "@molecule-ai/registry-mode";
import type { BuildRecorder } from "./build-recorder.js";
import type { CheckoutStore } from "./checkout-store.js";
import type { HostLocks } from "./internal/host-lock.js";
import type { PushRecords } from "./push-record.js";
import type { LocalBuildSettings } from "./settings.js";

/** What every run of `ensure` works with. */
export interface EnsureDependencies {
  readonly engine: DockerEngine;
  readonly builder: ImageBuilder;
  readonly gitea: GiteaClient;
  readonly giteaSettings: GiteaSettings;
  readonly store: CheckoutStore;
  readonly locks: HostLocks;
  readonly pushes: PushRecords;
  readonly clock: Clock;
  readonly redactor: Redactor;
  readonly settings: LocalBuildSettings;
  readonly repositoryPrefix: string;
  readonly installId: string;
  readonly platform: string | undefined;
  readonly build: Pick<BuildOptions, "buildArgs" | "limits">;
  readonly settingsDigest: string;
  readonly recorder: BuildRecorder | undefined;
}

export interface EnsureRequest {
  readonly runtime: Runtime;
  /** Branch, tag or commit; undefined for `main` or the default branch. */
  readonly ref: string | undefined;
  /** True when the caller named no ref: then `latest` follows. */
  readonly follows: boolean;
  readonly offline: boolean;
}

/** One run of `ensure`: its dependencies, its request, and how it speaks. */
export class EnsureRun {
  readonly dependencies: EnsureDependencies;
  readonly request: EnsureRequest;
  readonly runtime: string;
  readonly repository: TemplateRepository;
  readonly signal: AbortSignal;
  readonly onEvent: EventSink;

  constructor(dependencies: EnsureDependencies, request: EnsureRequest, context: WorkContext) {
    this.dependencies = dependencies;
    this.request = request;
    this.runtime = request.runtime.name;
    this.repository = parseRepository(
      templateRepositoryUrl(dependencies.repositoryPrefix, this.runtime),
    );
    this.signal = context.signal;
    this.onEvent = context.onEvent;
  }

  /** Runs `work` as a stage that fails with `ERR_DEADLINE` when it makes no progress for `timeoutMs`. */
  stage<T>(
    stage: Stage,
    options: {
      readonly subject: string;
      readonly timeoutMs: number;
      readonly outcome: (result: T) => string;
    },
    work: (signal: AbortSignal, progress: () => void) => Promise<T>,
  ): Promise<T> {
    const { clock } = this.dependencies;
    return runStage(
      { stage, subject: options.subject, clock, onEvent: this.onEvent, outcome: options.outcome },
      () => this.withDeadline(stage, options.timeoutMs, work),
    );
  }

  async withDeadline<T>(
    what: string,
    timeoutMs: number,
    work: (signal: AbortSignal, progress: () => void) => Promise<T>,
  ): Promise<T> {
    using deadline = createDeadline({
      what: `The ${what} of runtime ${this.runtime}`,
      timeoutMs,
      signal: this.signal,
    });
    return await work(deadline.signal, () => {
      deadline.progress();
    });
  }

  /** Alone on this machine with this runtime, from when it resolves until it is disposed. */
  lock(): Promise<AsyncDisposable> {
    return this.dependencies.locks.acquire(this.runtime, {
      signal: this.signal,
      onBusy: () => {
        this.onEvent({ type: "joined", subject: this.runtime, scope: "host" });
      },
    });
  }

  warn(code: string, what: string, cause?: unknown): void {
    const why = cause === undefined ? "." : `: ${messageOf(cause)}`;
    this.onEvent({
      type: "warning",
      code,
      message: this.dependencies.redactor.redact(`${what}${why}`),
      hint: isProvisionerError(cause) ? cause.hint : undefined,
    });
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
