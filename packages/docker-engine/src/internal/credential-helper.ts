import { execa, ExecaError } from "execa";
import { z } from "zod";
import type { RegistryCredential } from "../registry-credential.js";

/** Programs that keep registry passwords, spoken to as Docker's credential helper protocol says. */
export interface CredentialHelper {
  /** Undefined when the helper has none for that server. Throws {@link CredentialHelperError}. */
  get(
    program: string,
    server: string,
    signal: AbortSignal | undefined,
  ): Promise<RegistryCredential | undefined>;
  /** Servers the helper has credentials of. */
  list(program: string, signal: AbortSignal | undefined): Promise<string[]>;
}

/** A helper that did not do its part. The message holds nothing of its output. */
class CredentialHelperError extends Error {
  override readonly name = "CredentialHelperError";
}

export function isHelperFailure(error: unknown): error is Error {
  return error instanceof CredentialHelperError;
}

const TIMEOUT_MS = 30_000;
const LARGEST_OUTPUT = 1024 * 1024;
// What the protocol has a helper print when it has nothing; the exit code alone does not tell.
const NOT_FOUND = "credentials not found in native keychain";
// The user name that marks an identity token.
const TOKEN_USER = "<token>";

const CREDENTIAL = z.looseObject({ Username: z.string(), Secret: z.string() });
const SERVERS = z.record(z.string(), z.string());

export function createCredentialHelper(env: Readonly<Record<string, string>>): CredentialHelper {
  const run = async (
    program: string,
    action: "get" | "list",
    input: string,
    signal: AbortSignal | undefined,
  ): Promise<string | undefined> => {
    // The name comes from a file and becomes a program: no path, no option.
    if (!/^[a-zA-Z0-9][a-zA-Z0-9._-]*$/.test(program)) {
      throw new CredentialHelperError(`${JSON.stringify(program)} is no credential helper`);
    }
    const name = `docker-credential-${program}`;
    try {
      const { stdout } = await execa(name, [action], {
        input,
        env,
        extendEnv: false,
        timeout: TIMEOUT_MS,
        maxBuffer: LARGEST_OUTPUT,
        stderr: "ignore",
        forceKillAfterDelay: 1000,
        ...(signal === undefined ? {} : { cancelSignal: signal }),
      });
      return stdout;
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof ExecaError)) throw error;
      if (String(error.stdout).trim() === NOT_FOUND) return undefined;
      throw new CredentialHelperError(`${name} ${failureOf(error)}`);
    }
  };

  return {
    async get(program, server, signal) {
      const output = await run(program, "get", server, signal);
      if (output === undefined) return undefined;
      const { Username, Secret } = decode(program, output, CREDENTIAL);
      if (Secret === "") return undefined;
      return Username === TOKEN_USER
        ? { kind: "identity-token", token: Secret }
        : { kind: "password", username: Username, password: Secret };
    },
    async list(program, signal) {
      const output = await run(program, "list", "", signal);
      return output === undefined ? [] : Object.keys(decode(program, output, SERVERS));
    },
  };
}

function decode<S extends z.ZodType>(program: string, output: string, schema: S): z.infer<S> {
  const refuse = (): never => {
    throw new CredentialHelperError(
      `docker-credential-${program} printed something else than JSON`,
    );
  };
  let value: unknown;
  try {
    value = JSON.parse(output);
  } catch {
    return refuse();
  }
  const result = schema.safeParse(value);
  return result.success ? result.data : refuse();
}

function failureOf(error: ExecaError): string {
  if (error.timedOut) return `did not answer within ${TIMEOUT_MS / 1000} s`;
  if (error.code === "ENOENT") return "is not installed";
  if (error.isMaxBuffer) return "printed too much";
  if (error.exitCode !== undefined) return `failed with exit code ${error.exitCode}`;
  return `could not be run (${error.code ?? error.signal ?? "unknown reason"})`;
}
