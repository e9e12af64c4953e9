import { join } from "node:path";
import {
  createRedactor,
  isInstallId,
  SharedWork,
  systemClock,
  type Clock,
  type Redactor,
} from "@molecule-ai/core";
import type { DockerEngine } from "@molecule-ai/docker-engine";
import { credentialSecret, type GiteaClient, type GiteaSettings } from "@molecule-ai/gitea-client";
import type { BuildOptions, ImageBuilder } from "@molecule-ai/image-build";
import {
  parseTemplateRef,
  type EnsureImageOptions,
  type ImageSource,
  type ResolvedImage,
  type RuntimeRegistry,
} from "@molecule-ai/registry-mode";
import type { BuildRecorder } from "./build-recorder.js";
import { createCheckoutStore, LOCKS_DIRECTORY } from "./checkout-store.js";
import { collect, type CollectOptions, type CollectResult } from "./collect.js";
import { ensureImage } from "./ensure-image.js";
import { EnsureRun } from "./ensure-run.js";
import { createHostLocks } from "./internal/host-lock.js";
import { listLocalImages, type LocalImage } from "./local-images.js";
import { createPushRecords } from "./push-record.js";
import type { LocalBuildSettings } from "./settings.js";
import { checkOutTemplate, type TemplateCheckout } from "./template-checkout.js";

export interface LocalBuildOptions {
  readonly engine: DockerEngine;
  /** Builds on that same engine. */
  readonly builder: ImageBuilder;
  readonly gitea: GiteaClient;
  /** The allow-list. */
  readonly runtimes: RuntimeRegistry;
  /** What template repository URLs start with; the runtime name follows. */
  readonly repositoryPrefix: string;
  readonly settings: LocalBuildSettings;
  /** Goes on every image; only images that carry it are ever removed. */
  readonly installId: string;
  /** The one platform of build, pull and create; undefined for the engine's own. */
  readonly platform?: string | undefined;
  /** Who git is when it fetches; the client has the same of its own. Default: nobody. */
  readonly giteaSettings?: GiteaSettings | undefined;
  /** Build arguments (never secrets) and limits of every build. */
  readonly build?: Pick<BuildOptions, "buildArgs" | "limits"> | undefined;
  /** Told of every image that was built, and where it was pushed. */
  readonly recorder?: BuildRecorder | undefined;
  /** Default: one that knows the credential. */
  readonly redactor?: Redactor | undefined;
  readonly clock?: Clock | undefined;
}

/**
 * Images built on this engine from exactly a commit of their template, at most once.
 *
 * Dispose it to abort what runs and wait until it has stopped; the engine and the client stay open.
 */
export interface LocalBuildSource extends ImageSource, AsyncDisposable {
  /**
   * The image of a commit of the template: present, re-tagged from another commit of the same tree,
   * or built. Callers for the same runtime and ref share one result and its events, and processes of
   * one machine wait for each other.
   *
   * Throws `ERR_RUNTIME_UNKNOWN` before anything is touched, `ERR_LOCAL_BUILD_…` and the engine's
   * errors, `ERR_DEADLINE` when a stage makes no progress. A failure and an abort leave no checkout
   * behind; an abort rejects with `signal.reason` once everything has stopped.
   */
  ensure(runtime: string, options?: EnsureImageOptions): Promise<ResolvedImage>;
  /**
   * The files of a commit of the template, fetched and proven as for a build; nothing is built. Throws
   * as `ensure` does; an abort leaves nothing behind.
   */
  checkout(runtime: string, options?: EnsureImageOptions): Promise<TemplateCheckout>;
  /** The images this installation built, most recently used first. */
  images(options?: { readonly signal?: AbortSignal | undefined }): Promise<LocalImage[]>;
  /**
   * Removes images and checkouts that nobody needs, by age, count and bytes. Never one a container
   * was made from, and nothing of a runtime that is being built, here or in another process.
   */
  collect(options: CollectOptions): Promise<CollectResult>;
}

/** Makes a {@link LocalBuildSource}. Touches neither engine, network nor disk. */
export function createLocalBuildSource(options: LocalBuildOptions): LocalBuildSource {
  const { engine, builder, runtimes, settings, installId, platform } = options;
  if (!isInstallId(installId)) throw new TypeError("installId is not an install id");
  const clock = options.clock ?? systemClock;
  const store = createCheckoutStore({
    directory: settings.cacheDirectory,
    mustOwn: settings.cacheMustBeOwned,
    now: () => clock.now(),
  });
  const locks = createHostLocks({
    directory: join(settings.cacheDirectory, LOCKS_DIRECTORY),
    staleMs: settings.lockStaleMs,
    clock,
  });
  const build = options.build ?? {};
  const giteaSettings = options.giteaSettings ?? { origin: undefined, credential: undefined };
  const { credential } = giteaSettings;
  const dependencies = {
    engine,
    builder,
    gitea: options.gitea,
    store,
    locks,
    pushes: createPushRecords(settings.cacheDirectory),
    clock,
    redactor:
      options.redactor ??
      createRedactor(credential === undefined ? [] : [credentialSecret(credential)]),
    settings,
    repositoryPrefix: options.repositoryPrefix,
    giteaSettings,
    installId,
    platform,
    build,
    settingsDigest: builder.settingsDigest({
      platform,
      buildArgs: build.buildArgs,
      rewriteTimestamps: settings.rewriteTimestamps,
    }),
    recorder: options.recorder,
  };
  const work = new SharedWork<ResolvedImage>();
  const checkouts = new SharedWork<TemplateCheckout>();

  const share = <T>(
    shared: SharedWork<T>,
    name: string,
    asked: EnsureImageOptions,
    body: (run: EnsureRun) => Promise<T>,
  ): Promise<T> => {
    const runtime = runtimes.require(name);
    const follows = asked.ref === undefined;
    const ref = asked.ref === undefined ? runtime.templateRef : parseTemplateRef(asked.ref, "ref");
    const offline = asked.offline ?? false;
    return shared.run(
      JSON.stringify([name, ref ?? null, follows, offline]),
      { signal: asked.signal, onEvent: asked.onEvent, subject: name },
      (context) => body(new EnsureRun(dependencies, { runtime, ref, follows, offline }, context)),
    );
  };

  return {
    ensure: async (name, asked = {}) => share(work, name, asked, ensureImage),
    checkout: async (name, asked = {}) => share(checkouts, name, asked, checkOutTemplate),
    async images({ signal } = {}) {
      const known = await store.list();
      return listLocalImages({ engine, installId, checkouts: known.checkouts, signal });
    },
    collect: (collectOptions) =>
      collect(
        {
          engine,
          installId,
          store,
          locks,
          limits: settings.collection,
          now: () => clock.now(),
        },
        collectOptions,
      ),
    async [Symbol.asyncDispose]() {
      await Promise.all([work[Symbol.asyncDispose](), checkouts[Symbol.asyncDispose]()]);
    },
  };
}
