import { lstatSync, readFileSync } from "node:fs";
import { lstat, mkdir, mkdtemp, readdir, rename, rm, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { isRuntimeName } from "@molecule-ai/registry-mode";
import { cacheFailure, LocalBuildError } from "./errors.js";
import { isFullSha } from "./git-object.js";

/** What is known of a checkout; kept beside it as JSON, and written last. */
export interface CheckoutRecord {
  readonly version: 1;
  readonly runtime: string;
  readonly sha: string;
  readonly tree: string;
  /** Repository URL without credentials. */
  readonly source: string;
  /** Commit time, Unix milliseconds. */
  readonly committedAt: number | undefined;
  readonly files: number;
  readonly sizeBytes: number;
  /** `copy` of the checkout of another commit with this tree. */
  readonly via: "git" | "archive" | "copy";
  /** Submodules by path: part of the tree, absent on disk. */
  readonly submodules: Readonly<Record<string, string>>;
}

export interface Checkout {
  /** Directory of the files; no `.git` in it. */
  readonly path: string;
  readonly record: CheckoutRecord;
  /** When somebody last asked for it, Unix milliseconds, exact to {@link TOUCH_INTERVAL_MS}. */
  readonly usedAt: number;
}

/** A directory that work in progress fills; disposing it removes what was not published. */
export interface Scratch extends AsyncDisposable {
  readonly path: string;
  /** Where the files of the template go; does not exist yet. */
  readonly files: string;
}

/**
 * The files of templates at the commits that were built, on disk as `<cache>/<runtime>/<sha12>`.
 * Only what is complete has its record, so what a crash leaves is never taken for a checkout.
 */
export interface CheckoutStore {
  readonly directory: string;
  find(runtime: string, sha: string): Promise<Checkout | undefined>;
  /** The complete checkouts of one runtime. */
  listRuntime(runtime: string): Promise<Checkout[]>;
  /** All complete checkouts, and the names of directories that belong to none. */
  list(): Promise<{ readonly checkouts: Checkout[]; readonly leftovers: Leftover[] }>;
  /** Call with the lock of `runtime` held: removes what earlier holders left behind. */
  createScratch(runtime: string): Promise<Scratch>;
  /** Moves the files of `scratch` to their place, replacing whatever is there. */
  publish(scratch: Scratch, record: CheckoutRecord): Promise<Checkout>;
  remove(runtime: string, sha: string): Promise<void>;
  removeLeftover(leftover: Leftover): Promise<void>;
}

/** A directory of an interrupted checkout. */
export interface Leftover {
  readonly runtime: string;
  readonly path: string;
}

/** A checkout that is used gets a new time when the one it has is older than this. */
export const TOUCH_INTERVAL_MS: number = 10 * 60_000;

const SCRATCH_PREFIX = ".new-";
const LARGEST_RECORD_BYTES = 1024 * 1024;

export interface CheckoutStoreOptions {
  readonly directory: string;
  /** The directory must be ours: it lies where others can make one of that name. */
  readonly mustOwn: boolean;
  readonly now: () => number;
}

export function createCheckoutStore(options: CheckoutStoreOptions): CheckoutStore {
  const { directory } = options;
  const runtimeDirectory = (runtime: string): string => join(directory, runtime);
  const filesOf = (runtime: string, sha: string): string =>
    join(runtimeDirectory(runtime), sha.slice(0, 12));
  const recordOf = (runtime: string, sha: string): string => `${filesOf(runtime, sha)}.json`;

  let owned: Promise<void> | undefined;
  const checkOwner = (): Promise<void> => {
    if (!options.mustOwn) return Promise.resolve();
    owned ??= refuseForeign(directory).catch((error: unknown) => {
      owned = undefined;
      throw error;
    });
    return owned;
  };

  // Synchronous on purpose: three small reads of a local disk take some 50 µs here, and as much as
  // the rest of a cache hit when each of them waits for a thread on a busy machine.
  const load = (runtime: string, shortSha: string): Checkout | undefined => {
    const path = join(runtimeDirectory(runtime), shortSha);
    const stats = lstatSync(`${path}.json`, { throwIfNoEntry: false });
    if (stats === undefined || !stats.isFile() || stats.size > LARGEST_RECORD_BYTES) {
      return undefined;
    }
    const record = parseCheckoutRecord(readFileSync(`${path}.json`, "utf8"));
    if (record?.runtime !== runtime || !record.sha.startsWith(shortSha)) return undefined;
    if (lstatSync(path, { throwIfNoEntry: false })?.isDirectory() !== true) return undefined;
    return { path, record, usedAt: stats.mtimeMs };
  };

  const remove = async (runtime: string, sha: string): Promise<void> => {
    // The record first: without it the rest is a leftover.
    await rm(recordOf(runtime, sha), { force: true });
    await rm(filesOf(runtime, sha), { recursive: true, force: true });
  };

  const survey = async (
    runtime: string,
  ): Promise<{ checkouts: Checkout[]; leftovers: Leftover[] }> => {
    const names = await readdir(runtimeDirectory(runtime)).catch((error: unknown): string[] => {
      absent(error);
      return [];
    });
    const checkouts: Checkout[] = [];
    const leftovers: Leftover[] = [];
    for (const name of names) {
      if (name.endsWith(".json") && names.includes(name.slice(0, -".json".length))) continue;
      const found = /^[0-9a-f]{12}$/.test(name) ? load(runtime, name) : undefined;
      if (found !== undefined) checkouts.push(found);
      else leftovers.push({ runtime, path: join(runtimeDirectory(runtime), name) });
    }
    return { checkouts, leftovers };
  };

  return {
    directory,
    remove,
    async find(runtime, sha) {
      await checkOwner();
      let found: Checkout | undefined;
      try {
        found = load(runtime, sha.slice(0, 12));
      } catch (cause) {
        throw cacheFailure(directory, "cannot be read", cause);
      }
      if (found?.record.sha !== sha) return undefined;
      const now = options.now();
      if (now - found.usedAt > TOUCH_INTERVAL_MS) {
        const time = new Date(now);
        await utimes(recordOf(runtime, sha), time, time).catch(absent);
      }
      return found;
    },
    async listRuntime(runtime) {
      await checkOwner();
      return (await survey(runtime)).checkouts;
    },
    async list() {
      await checkOwner();
      const entries = await readdir(directory, { withFileTypes: true }).catch((error: unknown) => {
        absent(error);
        return [];
      });
      const runtimes = entries.filter((entry) => entry.isDirectory() && isRuntimeName(entry.name));
      const lists = await Promise.all(runtimes.map((entry) => survey(entry.name)));
      return {
        checkouts: lists.flatMap((list) => list.checkouts),
        leftovers: lists.flatMap((list) => list.leftovers),
      };
    },
    async createScratch(runtime) {
      try {
        await mkdir(directory, { recursive: true, mode: 0o700 });
        await checkOwner();
        const parent = runtimeDirectory(runtime);
        await mkdir(parent, { recursive: true, mode: 0o755 });
        for (const name of await readdir(parent)) {
          if (name.startsWith(SCRATCH_PREFIX)) {
            await rm(join(parent, name), { recursive: true, force: true });
          }
        }
        const path = await mkdtemp(join(parent, SCRATCH_PREFIX));
        return {
          path,
          files: join(path, "files"),
          async [Symbol.asyncDispose]() {
            // Writes that were under way when an extraction failed may still land for a moment.
            await rm(path, { recursive: true, force: true, maxRetries: 10, retryDelay: 20 });
          },
        };
      } catch (cause) {
        if (cause instanceof LocalBuildError) throw cause;
        throw cacheFailure(directory, "cannot be written", cause);
      }
    },
    async publish(scratch, record) {
      const path = filesOf(record.runtime, record.sha);
      try {
        await remove(record.runtime, record.sha);
        await rename(scratch.files, path);
        const temporary = join(scratch.path, "record.json");
        await writeFile(temporary, `${JSON.stringify(record, undefined, 2)}\n`);
        await rename(temporary, recordOf(record.runtime, record.sha));
      } catch (cause) {
        throw cacheFailure(directory, "cannot be written", cause);
      }
      return { path, record, usedAt: options.now() };
    },
    async removeLeftover(leftover) {
      await rm(leftover.path, { recursive: true, force: true });
    },
  };
}

/** Directory of the locks inside the cache; not the name of a runtime, which has no dot. */
export const LOCKS_DIRECTORY = ".locks";

/** A record as it was written, or undefined for anything else. */
export function parseCheckoutRecord(text: string): CheckoutRecord | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null) return undefined;
  const record = value as Record<string, unknown>;
  const { version, runtime, sha, tree, source, committedAt, files, sizeBytes, via, submodules } =
    record;
  if (version !== 1 || typeof runtime !== "string" || typeof source !== "string") return undefined;
  if (typeof sha !== "string" || !isFullSha(sha)) return undefined;
  if (typeof tree !== "string" || tree.length !== sha.length || !isFullSha(tree)) return undefined;
  if (committedAt !== undefined && typeof committedAt !== "number") return undefined;
  if (typeof files !== "number" || typeof sizeBytes !== "number") return undefined;
  if (via !== "git" && via !== "archive" && via !== "copy") return undefined;
  if (!isTextRecord(submodules)) return undefined;
  return { version, runtime, sha, tree, source, committedAt, files, sizeBytes, via, submodules };
}

function isTextRecord(value: unknown): value is Readonly<Record<string, string>> {
  return (
    typeof value === "object" &&
    value !== null &&
    Object.values(value).every((item) => typeof item === "string")
  );
}

async function refuseForeign(directory: string): Promise<void> {
  const stats = await lstat(directory).catch(absent);
  const uid = process.getuid?.();
  if (stats === undefined || uid === undefined) return;
  if (stats.isDirectory() && stats.uid === uid && (stats.mode & 0o022) === 0) return;
  throw cacheFailure(directory, "belongs to somebody else, or others may write to it");
}

/** Undefined for "there is no such file"; every other failure is thrown. */
function absent(error: unknown): undefined {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (code === "ENOENT" || code === "ENOTDIR") return undefined;
  throw error;
}
