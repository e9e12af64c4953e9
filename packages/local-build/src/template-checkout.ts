import type { Checkout } from "./checkout-store.js";
import { notOffline, resolveHead, verifiedCheckout } from "./ensure-image.js";
import type { EnsureRun } from "./ensure-run.js";
import { isFullSha } from "./git-object.js";
import { checkout, type Commit } from "./make-image.js";

/** The files of a template at one commit, on disk. */
export interface TemplateCheckout {
  /** Directory of the files; read only, and there until `collect` removes it. */
  readonly path: string;
  readonly sha: string;
  readonly tree: string;
  /** Repository URL without credentials. */
  readonly source: string;
  /** Commit time, Unix milliseconds. */
  readonly committedAt: number | undefined;
}

/** The files of the commit that is asked for, fetched when they are not here. Nothing is built. */
export async function checkOutTemplate(run: EnsureRun): Promise<TemplateCheckout> {
  const { path, record } = await findOrFetch(run);
  const { sha, tree, source, committedAt } = record;
  return { path, sha, tree, source, committedAt };
}

async function findOrFetch(run: EnsureRun): Promise<Checkout> {
  const { ref, offline, follows } = run.request;
  const { store, settings } = run.dependencies;
  const pinned = ref !== undefined && isFullSha(ref) ? ref : undefined;
  if (offline && pinned === undefined) {
    if (!follows) throw notOffline(run, `where "${ref ?? ""}" points only the server knows`);
    const [newest] = (await store.listRuntime(run.runtime)).toSorted((a, b) => b.usedAt - a.usedAt);
    if (newest === undefined) throw notOffline(run, "the files of its template are not here");
    return newest;
  }
  const commit: Commit =
    pinned === undefined
      ? { ...(await resolveHead(run)), isPinned: false }
      : { sha: pinned, committedAt: undefined, isPinned: true };
  await using _lock = await run.lock();
  const known = await verifiedCheckout(run, commit.sha);
  if (known !== undefined) return known;
  if (offline) throw notOffline(run, `the files of commit ${commit.sha.slice(0, 12)} are not here`);
  await using scratch = await store.createScratch(run.runtime);
  const record = await checkout(run, commit, scratch, settings.timeouts.checkoutMs);
  return await store.publish(scratch, record);
}
