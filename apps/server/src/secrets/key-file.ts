import { randomBytes } from "node:crypto";
import { link, open, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { ServerError } from "../errors.js";
import { KEY_BYTES, parseSecretsKey } from "./secret-key.js";

const FILE_NAME = "secrets.key";

/** The key kept in a state directory; undefined when there is none. */
export async function readKeyFile(directory: string): Promise<Buffer | undefined> {
  const path = join(directory, FILE_NAME);
  let text: string;
  try {
    text = await readFile(path, "ascii");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw unusable(path, error);
  }
  const key = parseSecretsKey(text.replace(/\n$/, ""));
  if (key === undefined) throw unusable(path);
  return key;
}

/**
 * The key of a state directory, made when there is none. It is on the disk before this resolves, and
 * is never half written: the file gets its name once its content is safe.
 *
 * @throws ServerError `ERR_SERVER_CONFIG` when the file holds no key or cannot be read or written.
 */
export async function ensureKeyFile(directory: string): Promise<Buffer> {
  const kept = await readKeyFile(directory);
  if (kept !== undefined) return kept;
  const path = join(directory, FILE_NAME);
  const draft = `${path}.new`;
  const key = randomBytes(KEY_BYTES);
  try {
    // Left by a process that died here; whoever calls holds the directory's lock.
    await rm(draft, { force: true });
    const file = await open(draft, "wx", 0o600);
    try {
      await file.writeFile(`${key.toString("hex")}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    // Unlike a rename, a link never replaces a key.
    await link(draft, path);
    await rm(draft, { force: true });
    await syncDirectory(directory);
  } catch (error) {
    throw unusable(path, error);
  }
  return key;
}

async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function unusable(path: string, cause?: unknown): ServerError {
  return new ServerError("ERR_SERVER_CONFIG", `The key of the secrets in ${path} cannot be used.`, {
    hint: "Restore the file from a backup, or set SECRETS_ENCRYPTION_KEY.",
    details: { path, reason: (cause as NodeJS.ErrnoException | undefined)?.code ?? "not a key" },
    cause,
  });
}
