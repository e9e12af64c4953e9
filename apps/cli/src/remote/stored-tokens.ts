import { randomBytes } from "node:crypto";
import { mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { CliError } from "../errors.js";
import { parseJson } from "./parse-json.js";

const FILE = "tokens.json";
const content = z.object({
  version: z.literal(1),
  /** By origin. */
  servers: z.record(z.string(), z.object({ token: z.string() })),
});
type Content = z.infer<typeof content>;

/** The tokens `login` has stored, one for each server. */
export interface StoredTokens {
  /** The file they are in, for messages. */
  readonly path: string;
  find(origin: string): Promise<string | undefined>;
  /** Replaces the file as a whole: whoever reads at that moment sees the old or the new one. */
  store(origin: string, token: string): Promise<void>;
  /** False when there was none. */
  remove(origin: string): Promise<boolean>;
}

/**
 * Tokens in one file of `directory` that only its owner can read. All calls throw
 * `ERR_CLI_TOKEN_STORE` when the file is not what it should be, and never overwrite it then.
 */
export function openStoredTokens(directory: string): StoredTokens {
  const path = join(directory, FILE);

  const read = async (): Promise<Content> => {
    let text: string;
    try {
      text = await readFile(path, "utf8");
    } catch (cause) {
      const reason = reasonOf(cause);
      if (reason === "ENOENT") return { version: 1, servers: {} };
      throw unusable(path, `cannot be read (${reason})`, cause);
    }
    const parsed = content.safeParse(parseJson(text));
    if (parsed.success) return parsed.data;
    throw unusable(path, "is not a file of tokens", undefined);
  };

  const write = async (next: Content): Promise<void> => {
    const temporary = join(directory, `.${FILE}.${randomBytes(6).toString("hex")}`);
    try {
      await mkdir(directory, { recursive: true, mode: 0o700 });
      try {
        await using file = await open(temporary, "wx", 0o600);
        await file.writeFile(`${JSON.stringify(next, undefined, 2)}\n`);
        await file.sync();
      } catch (error) {
        await rm(temporary, { force: true });
        throw error;
      }
      await rename(temporary, path);
    } catch (cause) {
      throw unusable(path, `cannot be written (${reasonOf(cause)})`, cause);
    }
  };

  return {
    path,
    async find(origin) {
      const { servers } = await read();
      return Object.hasOwn(servers, origin) ? servers[origin]?.token : undefined;
    },
    async store(origin, token) {
      const { servers } = await read();
      await write({ version: 1, servers: { ...servers, [origin]: { token } } });
    },
    async remove(origin) {
      const { servers } = await read();
      if (!Object.hasOwn(servers, origin)) return false;
      const { [origin]: _removed, ...others } = servers;
      await write({ version: 1, servers: others });
      return true;
    },
  };
}

function reasonOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? "unknown";
}

function unusable(path: string, what: string, cause: unknown): CliError {
  return new CliError("ERR_CLI_TOKEN_STORE", `${path} ${what}`, {
    hint: "Correct or remove the file and log in again, or give the token with --token-file.",
    details: { path },
    cause,
  });
}
