import { cp, rm } from "node:fs/promises";
import { isProvisionerError, runStage } from "@molecule-ai/core";
import { localImageLatestTag, localImageTag } from "@molecule-ai/registry-mode";
import type { CheckoutRecord, Scratch } from "./checkout-store.js";
import { checkoutCommit } from "./checkout.js";
import { findDockerfile } from "./dockerfile.js";
import type { EnsureRun } from "./ensure-run.js";
import { LocalBuildError, wrapFailure } from "./errors.js";
import { objectFormatOf } from "./git-object.js";
import { hasTag, imageLabels, sameTreeTag } from "./image-identity.js";
import { findSameTree } from "./image-lookup.js";
import { sharedCacheOf } from "./shared-cache.js";
import { readTemplateTree } from "./template-tree.js";

export interface MadeImage {
  readonly imageId: string;
  readonly outcome: "built" | "retagged";
}

/** The commit an image is wanted of. */
export interface Commit {
  readonly sha: string;
  /** As the server told, Unix milliseconds. */
  readonly committedAt: number | undefined;
  /** True when the caller named the commit itself: then no server's word about it will do. */
  readonly isPinned: boolean;
}

/** Stage `checkout`: the files of exactly that commit into `scratch.files`. */
export function checkout(
  run: EnsureRun,
  commit: Commit,
  scratch: Scratch,
  timeoutMs: number,
): Promise<CheckoutRecord> {
  const { gitea, giteaSettings, redactor, settings } = run.dependencies;
  const { sha } = commit;
  return run.stage(
    "checkout",
    {
      subject: `${run.repository.url}@${sha.slice(0, 12)}`,
      timeoutMs,
      outcome: (record) => record.via,
    },
    async (signal, progress) =>
      (await copySameTree(run, commit, scratch, signal)) ??
      (await checkoutCommit({
        runtime: run.runtime,
        repository: run.repository,
        sha,
        scratch,
        gitea,
        git: { path: settings.gitPath, env: settings.gitEnv, settings: giteaSettings },
        limits: settings.limits,
        redactor,
        signal,
        onProgress: progress,
        onEvent: run.onEvent,
      })),
  );
}

/**
 * The files of another commit, when the server says that this one has the same tree: the head was
 * the server's word as well. The copy is hashed, so the files are that tree for certain.
 */
async function copySameTree(
  run: EnsureRun,
  commit: Commit,
  scratch: Scratch,
  signal: AbortSignal,
): Promise<CheckoutRecord | undefined> {
  const { gitea, settings, store } = run.dependencies;
  if (commit.isPinned) return undefined;
  const known = await store.listRuntime(run.runtime);
  if (known.length === 0) return undefined;
  const tree = await gitea
    .commitTree(run.repository, commit.sha, { signal })
    .catch((): undefined => undefined);
  signal.throwIfAborted();
  const same = known.find(({ record }) => record.tree === tree);
  if (same === undefined) return undefined;
  await cp(same.path, scratch.files, { recursive: true, verbatimSymlinks: true });
  const copied = await readTemplateTree(scratch.files, {
    objectFormat: objectFormatOf(commit.sha),
    limits: settings.limits,
    submodules: same.record.submodules,
    signal,
  }).catch((error: unknown) => {
    if (error instanceof LocalBuildError) return undefined;
    throw error;
  });
  if (copied?.tree !== tree) {
    await rm(scratch.files, { recursive: true, force: true });
    return undefined;
  }
  const { sha, committedAt } = commit;
  return { ...same.record, sha, committedAt, source: run.repository.url, via: "copy" };
}

/** Stage `build`: tags an image of the same tree, or builds one from `files`. */
export async function makeImage(
  run: EnsureRun,
  files: string,
  record: CheckoutRecord,
): Promise<MadeImage> {
  const made = (await retagSameTree(run, record)) ?? (await build(run, files, record));
  await tagLatest(run, made.imageId, []);
  return made;
}

async function retagSameTree(
  run: EnsureRun,
  record: CheckoutRecord,
): Promise<MadeImage | undefined> {
  const same = await findSameTree(run, record.tree);
  if (same === undefined) return undefined;
  const { engine, settings } = run.dependencies;
  const tag = localImageTag(run.runtime, record.sha);
  return run.stage(
    "build",
    { subject: tag, timeoutMs: settings.timeouts.headMs, outcome: () => "re-tagged" },
    async (signal) => {
      // In this order: the short tag is believed only beside the full one.
      await engine.images.tag(same.id, sameTreeTag(run.runtime, record.sha), { signal });
      await engine.images.tag(same.id, tag, { signal });
      return { imageId: same.id, outcome: "retagged" } as const;
    },
  );
}

async function build(run: EnsureRun, files: string, record: CheckoutRecord): Promise<MadeImage> {
  const { builder, clock, installId, platform, settings, settingsDigest } = run.dependencies;
  const dockerfile = await findDockerfile(files, record);
  const tag = localImageTag(run.runtime, record.sha);
  return runStage(
    { stage: "build", subject: tag, clock, onEvent: run.onEvent, outcome: () => "built" },
    async () => {
      try {
        const cache = await sharedCacheOf(run, run.signal);
        const startedAt = clock.now();
        const { imageId, backend } = await builder.build({
          context: { kind: "directory", path: files },
          dockerfile,
          tags: [tag],
          output: { load: true },
          cache,
          platform,
          buildArgs: run.dependencies.build.buildArgs,
          limits: {
            contextBytes: settings.limits.templateBytes,
            contextFiles: settings.limits.templateFiles,
            // The builder sees more progress than its events tell, so the deadline is its own.
            idleTimeoutMs: settings.timeouts.buildMs,
            ...run.dependencies.build.limits,
          },
          // The commit's time, because zip archives know no time before 1980.
          sourceDateEpoch: Math.floor((record.committedAt ?? 0) / 1000),
          rewriteTimestamps: settings.rewriteTimestamps,
          labels: imageLabels({
            runtime: run.runtime,
            platform,
            settings: settingsDigest,
            installId,
            sha: record.sha,
            tree: record.tree,
            source: record.source,
            committedAt: record.committedAt,
          }),
          signal: run.signal,
          onEvent: run.onEvent,
        });
        if (imageId === undefined) throw notLoaded(tag, backend);
        await recordBuild(run, { imageId, tag, files, dockerfile, record, startedAt });
        return { imageId, outcome: "built" };
      } catch (error) {
        run.signal.throwIfAborted();
        if (isProvisionerError(error, "ERR_DEADLINE")) throw error;
        if (error instanceof LocalBuildError) throw error;
        throw wrapFailure(
          "ERR_LOCAL_BUILD_FAILED",
          `Building ${tag} from ${record.source} failed`,
          error,
          { runtime: run.runtime, image: tag, repository: record.source, revision: record.sha },
        );
      }
    },
  );
}

async function recordBuild(
  run: EnsureRun,
  made: {
    readonly imageId: string;
    readonly tag: string;
    readonly files: string;
    readonly dockerfile: string;
    readonly record: CheckoutRecord;
    readonly startedAt: number;
  },
): Promise<void> {
  const { recorder, clock, platform, settingsDigest, build: given } = run.dependencies;
  const { imageId, tag, files, dockerfile, record, startedAt } = made;
  try {
    await recorder?.built(
      {
        imageId,
        tags: [tag],
        source: {
          repository: record.source,
          ref: run.request.ref,
          commit: record.sha,
          tree: record.tree,
        },
        files,
        dockerfile,
        buildArgs: given.buildArgs,
        parameters: {
          runtime: run.runtime,
          platform: platform ?? "native",
          settings: settingsDigest,
        },
        startedAt,
        finishedAt: clock.now(),
      },
      { signal: run.signal },
    );
  } catch (error) {
    run.signal.throwIfAborted();
    run.warn("WARN_LOCAL_BUILD_RECORD", `How ${tag} was built could not be written down`, error);
  }
}

function notLoaded(tag: string, backend: string): LocalBuildError {
  return new LocalBuildError(
    "ERR_LOCAL_BUILD_NOT_LOADED",
    `${tag} was built by ${backend}, but it is not on the engine that would run it.`,
    { hint: "Build with the engine itself, or with a builder that loads into it." },
  );
}

/** `latest` is what following the head last came to; a failure is only said. */
export async function tagLatest(
  run: EnsureRun,
  imageId: string,
  tags: readonly string[],
): Promise<void> {
  const latest = localImageLatestTag(run.runtime);
  if (!run.request.follows || hasTag({ tags }, latest)) return;
  try {
    await run.dependencies.engine.images.tag(imageId, latest, { signal: run.signal });
  } catch (error) {
    run.signal.throwIfAborted();
    run.warn("WARN_LOCAL_BUILD_LATEST_TAG", `The image could not be tagged ${latest}`, error);
  }
}
