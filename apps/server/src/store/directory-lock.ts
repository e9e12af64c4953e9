import { chmod, mkdir, rm } from "node:fs/promises";
import { connect, createServer, type Server } from "node:net";
import { once } from "node:events";
import { join } from "node:path";
import { lock } from "proper-lockfile";
import { ServerError } from "../errors.js";

/** Longest path that fits a socket address on every system. */
const MOST_PATH_BYTES = 100;

/**
 * Makes this process the only one on a state directory, until disposed or dead.
 *
 * The lock is a listening socket in the directory: it ends with its process, however that ends, also
 * when holder and contender are in different containers. A lock file guards only the moment in which
 * a dead socket is replaced.
 *
 * @throws ServerError `ERR_STORE_IN_USE` while another process has it; `ERR_STORE_DIRECTORY` when the
 *   directory cannot be used.
 */
export async function lockDirectory(directory: string): Promise<AsyncDisposable> {
  const path = join(directory, "server.sock");
  if (Buffer.byteLength(path) > MOST_PATH_BYTES) {
    throw new ServerError(
      "ERR_STORE_DIRECTORY",
      `The state directory ${directory} has too long a path.`,
      {
        hint: `Set MOLECULE_STATE_DIR to a path of at most ${MOST_PATH_BYTES - "/server.sock".length} bytes.`,
      },
    );
  }
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    // Keys and tokens' hashes are in there.
    await chmod(directory, 0o700);
    const release = await lock(directory, {
      // Inside: what is around the directory may be read-only.
      lockfilePath: join(directory, "server.lock"),
      stale: 5000,
      retries: { retries: 40, minTimeout: 25, maxTimeout: 250 },
    });
    try {
      if (await answers(path)) throw inUse(directory);
      await rm(path, { force: true });
      const server = await listen(path);
      return {
        async [Symbol.asyncDispose]() {
          if (!server.listening) return;
          const closed = once(server, "close");
          server.close();
          await closed;
        },
      };
    } finally {
      await release();
    }
  } catch (error) {
    if (error instanceof ServerError) throw error;
    throw new ServerError(
      "ERR_STORE_DIRECTORY",
      `The state directory ${directory} cannot be used: ${(error as Error).message}`,
      { hint: "Set MOLECULE_STATE_DIR to a directory that this user may write to.", cause: error },
    );
  }
}

async function answers(path: string): Promise<boolean> {
  const socket = connect(path);
  try {
    await once(socket, "connect");
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ECONNREFUSED") return false;
    throw error;
  } finally {
    socket.destroy();
  }
}

async function listen(path: string): Promise<Server> {
  const server = createServer((socket) => socket.destroy());
  server.listen(path);
  await once(server, "listening");
  server.unref();
  return server;
}

function inUse(directory: string): ServerError {
  return new ServerError(
    "ERR_STORE_IN_USE",
    `Another server process uses the state directory ${directory}.`,
    {
      hint: "Stop it, set MOLECULE_STATE_DIR to another directory, or set DATABASE_URL: several processes share a PostgreSQL.",
      details: { directory },
    },
  );
}
