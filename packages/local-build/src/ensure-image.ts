import { localImageTag, type ResolvedImage } from "@molecule-ai/registry-mode";
import type { Checkout } from "./checkout-store.js";
import type { EnsureRun } from "./ensure-run.js";
import { LocalBuildError, wrapFailure } from "./errors.js";
import { isFullSha, objectFormatOf } from "./git-object.js";
import { findImage, findNewestImage, guessLatest, type FoundImage } from "./image-lookup.js";
import { checkout, makeImage, tagLatest, type Commit } from "./make-image.js";
import { pushImage } from "./push-image.js";
import { readTemplateTree } from "./template-tree.js";

/** Template files missing beside a present image are worth this long a wait, no longer. */
const RESTORE_TIMEOUT_MS = 20_000;

/** The image of the commit that is asked for, pushed where the operator wants it. */
export async function ensureImage(run: EnsureRun): Promise<ResolvedImage> {
  const image = await findOrMake(run);
  const { pushPrefix } = run.dependencies.settings;
  if (pushPrefix === undefined || run.request.offline || image.revision === undefined) return image;
  return { ...image, digest: await pushImage(run, pushPrefix, image.revision, image) };
}

/**
 * Found, re-tagged or built.
 *
 * A present image takes no lock: it costs the head lookup, and one inspect beside it. Whatever is made is made
 * under the lock of its runtime, after looking again.
 */
async function findOrMake(run: EnsureRun): Promise<ResolvedImage> {
  const { ref, offline } = run.request;
  if (ref !== undefined && isFullSha(ref)) {
    const present = await findImage(run, ref, { anySettings: offline });
    if (present !== undefined) return usePresent(run, ref, present);
  }
  if (offline) return ensureOffline(run);

  const asked = resolveHead(run);
  await using guess = run.request.follows ? guessLatest(run) : undefined;
  const head = await asked;
  const present = (await guess?.matching(head.sha)) ?? (await findImage(run, head.sha));
  return present === undefined
    ? await make(run, { ...head, isPinned: head.sha === ref })
    : await usePresent(run, head.sha, present);
}

async function ensureOffline(run: EnsureRun): Promise<ResolvedImage> {
  const { ref, follows } = run.request;
  if (ref !== undefined && isFullSha(ref)) {
    const known = await run.dependencies.store.find(run.runtime, ref);
    if (known !== undefined) {
      return make(run, { sha: ref, committedAt: known.record.committedAt, isPinned: true });
    }
    throw notOffline(run, `neither image nor files of commit ${ref.slice(0, 12)} are here`);
  }
  if (!follows) throw notOffline(run, `where "${ref ?? ""}" points only the server knows`);
  const newest = await findNewestImage(run);
  if (newest === undefined) throw notOffline(run, "no image of it was built on this engine");
  return usePresent(run, newest.sha, newest.image);
}

/** Stage `head`: the commit that the request means. */
export function resolveHead(run: EnsureRun): Promise<Omit<Commit, "isPinned">> {
  const { gitea, settings } = run.dependencies;
  const { url } = run.repository;
  return run.stage(
    "head",
    {
      subject: url,
      timeoutMs: settings.timeouts.headMs,
      outcome: (head) => head.sha.slice(0, 12),
    },
    async (signal) => {
      try {
        return await gitea.resolveHead(run.repository, { ref: run.request.ref, signal });
      } catch (error) {
        signal.throwIfAborted();
        throw wrapFailure(
          "ERR_LOCAL_BUILD_HEAD",
          `Cannot determine the head commit of runtime ${run.runtime} at ${url}`,
          error,
          { runtime: run.runtime, repository: url },
          "To start from what this machine has, ask for it explicitly (offline).",
        );
      }
    },
  );
}

async function usePresent(run: EnsureRun, sha: string, image: FoundImage): Promise<ResolvedImage> {
  const { settings, settingsDigest } = run.dependencies;
  await run.stage(
    "build",
    {
      subject: localImageTag(run.runtime, sha),
      timeoutMs: settings.timeouts.buildMs,
      outcome: () => "cache hit",
    },
    () => Promise.resolve(),
  );
  if (image.facts.settings !== settingsDigest) {
    run.warn(
      "WARN_LOCAL_BUILD_OTHER_SETTINGS",
      `The local image of ${run.runtime} was built with other settings than today's`,
    );
  }
  const { offline } = run.request;
  if (!offline) await tagLatest(run, image.imageId, image.tags);
  const files = image.checkout ?? (offline ? undefined : await restoreFiles(run, sha));
  return resolved(run, sha, image.imageId, image.facts, "present", files?.path);
}

/** Fetches the files of a present image anew. Without them the image still starts. */
async function restoreFiles(run: EnsureRun, sha: string): Promise<Checkout | undefined> {
  const { store, settings } = run.dependencies;
  const timeoutMs = Math.min(settings.timeouts.checkoutMs, RESTORE_TIMEOUT_MS);
  try {
    await using _lock = await run.lock();
    const found = await store.find(run.runtime, sha);
    if (found !== undefined) return found;
    await using scratch = await store.createScratch(run.runtime);
    const record = await checkout(
      run,
      { sha, committedAt: undefined, isPinned: true },
      scratch,
      timeoutMs,
    );
    return await store.publish(scratch, record);
  } catch (error) {
    run.signal.throwIfAborted();
    const what = `The image of ${sha.slice(0, 12)} is here, but not the files of its template`;
    run.warn("WARN_LOCAL_BUILD_TEMPLATE_MISSING", what, error);
    return undefined;
  }
}

async function make(run: EnsureRun, commit: Commit): Promise<ResolvedImage> {
  const made = await makeAlone(run, commit);
  // Outside the lock, which restoring the files would take.
  return "facts" in made ? usePresent(run, commit.sha, made) : made;
}

/** Checkout, then re-tag or build, alone on this machine for this runtime. */
async function makeAlone(run: EnsureRun, commit: Commit): Promise<ResolvedImage | FoundImage> {
  const { sha } = commit;
  const { store, settings } = run.dependencies;
  await using _lock = await run.lock();
  // Whoever held the lock may have done the work.
  const present = await findImage(run, sha);
  if (present !== undefined) return present;

  const known = await verifiedCheckout(run, sha);
  if (known !== undefined) {
    try {
      const made = await makeImage(run, known.path, known.record);
      return resolved(run, sha, made.imageId, known.record, made.outcome, known.path);
    } catch (error) {
      await store.remove(run.runtime, sha);
      sayUndone(run, sha);
      throw error;
    }
  }
  await using scratch = await store.createScratch(run.runtime);
  try {
    const record = await checkout(run, commit, scratch, settings.timeouts.checkoutMs);
    const made = await makeImage(run, scratch.files, record);
    const { path } = await store.publish(scratch, record);
    return resolved(run, sha, made.imageId, record, made.outcome, path);
  } catch (error) {
    await scratch[Symbol.asyncDispose]();
    sayUndone(run, sha);
    throw error;
  }
}

/** A checkout of an earlier build whose files still are what its record says. */
export async function verifiedCheckout(run: EnsureRun, sha: string): Promise<Checkout | undefined> {
  const { store, settings } = run.dependencies;
  const found = await store.find(run.runtime, sha);
  if (found === undefined) return undefined;
  const read = await readTemplateTree(found.path, {
    objectFormat: objectFormatOf(sha),
    limits: settings.limits,
    submodules: found.record.submodules,
    signal: run.signal,
  }).catch((error: unknown) => {
    if (error instanceof LocalBuildError) return undefined;
    throw error;
  });
  if (read?.tree === found.record.tree) return found;
  if (run.request.offline) throw notOffline(run, "its files here were changed");
  await store.remove(run.runtime, sha);
  return undefined;
}

function resolved(
  run: EnsureRun,
  sha: string,
  imageId: string,
  template: { readonly tree: string; readonly source: string },
  outcome: ResolvedImage["outcome"],
  templatePath: string | undefined,
): ResolvedImage {
  return {
    ref: localImageTag(run.runtime, sha),
    imageId,
    digest: undefined,
    revision: sha,
    tree: template.tree,
    source: template.source,
    platform: run.dependencies.platform,
    outcome,
    templatePath,
  };
}

function sayUndone(run: EnsureRun, sha: string): void {
  run.onEvent({ type: "undone", what: `checkout of ${run.runtime} at ${sha.slice(0, 12)}` });
}

/** What is asked for cannot be had without the server. */
export function notOffline(run: EnsureRun, why: string): LocalBuildError {
  return new LocalBuildError(
    "ERR_LOCAL_BUILD_OFFLINE",
    `Runtime ${run.runtime} cannot be started offline: ${why}.`,
    {
      hint: "Run it once without the offline option, so that its image is built here.",
      details: { runtime: run.runtime, ref: run.request.ref ?? null },
    },
  );
}
