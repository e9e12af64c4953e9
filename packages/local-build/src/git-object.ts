import { createHash, type Hash } from "node:crypto";

export type ObjectFormat = "sha1" | "sha256";

const FULL_SHA = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/;

/** True for a complete object id: 40 or 64 lower-case hex digits. */
export function isFullSha(text: string): boolean {
  return FULL_SHA.test(text);
}

/** The hash a repository uses, by the length of its object ids. */
export function objectFormatOf(sha: string): ObjectFormat {
  return sha.length === 64 ? "sha256" : "sha1";
}

/** A hash that has already taken git's object header; feed it exactly `sizeBytes` of content. */
export function startObject(
  format: ObjectFormat,
  type: "blob" | "tree" | "commit",
  sizeBytes: number,
): Hash {
  return createHash(format).update(`${type} ${sizeBytes}\0`);
}

/** Object id of `body`, as `git hash-object` computes it. */
export function hashObject(
  format: ObjectFormat,
  type: "blob" | "tree" | "commit",
  body: Uint8Array,
): string {
  return startObject(format, type, body.length).update(body).digest("hex");
}

export interface TreeEntry {
  readonly mode: "100644" | "100755" | "120000" | "40000" | "160000";
  /** Name inside the directory, as bytes: git knows no encoding. */
  readonly name: Buffer;
  readonly id: string;
}

/** Object id of a directory, as `git mktree` computes it: entries in git's order, whatever theirs. */
export function hashTree(format: ObjectFormat, entries: readonly TreeEntry[]): string {
  const sorted = entries
    .map((entry) => ({ entry, key: sortKey(entry) }))
    .sort((a, b) => Buffer.compare(a.key, b.key));
  const body = Buffer.concat(
    sorted.flatMap(({ entry }) => [
      Buffer.from(`${entry.mode} `),
      entry.name,
      Buffer.from([0]),
      Buffer.from(entry.id, "hex"),
    ]),
  );
  return hashObject(format, "tree", body);
}

/** Git sorts a directory as if its name ended in a slash. */
function sortKey(entry: TreeEntry): Buffer {
  return entry.mode === "40000" ? Buffer.concat([entry.name, Buffer.from("/")]) : entry.name;
}

export interface CommitFacts {
  readonly tree: string;
  /** Committer time, Unix milliseconds. */
  readonly committedAt: number;
}

/**
 * Tree and time of a raw commit object, or undefined when `body` is not the commit `sha`: the id is
 * recomputed from the bytes.
 */
export function readCommit(sha: string, body: Buffer): CommitFacts | undefined {
  if (hashObject(objectFormatOf(sha), "commit", body) !== sha) return undefined;
  const end = body.indexOf("\n\n");
  const header = body.subarray(0, end === -1 ? body.length : end).toString("latin1");
  const tree = /^tree ([0-9a-f]+)$/m.exec(header)?.[1];
  const seconds = /^committer .* (\d{1,15}) [+-]\d{4}$/m.exec(header)?.[1];
  if (tree === undefined || seconds === undefined) return undefined;
  return { tree, committedAt: Number(seconds) * 1000 };
}
