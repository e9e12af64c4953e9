import { createDeadline, createRedactor, type Redactor } from "@molecule-ai/core";
import { runProcess } from "@molecule-ai/process-runner";
import { ImageTrustError } from "../errors.js";
import { cosignArguments, type CosignDialect } from "./cosign-arguments.js";
import { cosignEnvironment } from "./cosign-environment.js";
import type { SigningPlan } from "./signer.js";

export interface CosignSettings {
  /** The program, a path or a name on the PATH of `env`; default `cosign`. */
  readonly file?: string | undefined;
  /** The caller's environment; each call passes on what it needs of it and no more. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Longest call; default 2 minutes. */
  readonly timeoutMs?: number | undefined;
  /** Cleans what cosign prints. */
  readonly redactor?: Redactor | undefined;
}

export interface CosignCallOptions {
  /** Directory of the Docker configuration with the credentials of this operation. */
  readonly dockerConfig?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** The one door to the cosign program. */
export interface Cosign {
  /**
   * Signs or attests as the plan says. Throws `ERR_TRUST_SIGNER` for a plan that cannot be,
   * `ERR_TRUST_COSIGN_MISSING`, `ERR_TRUST_COSIGN_FAILED` with the end of what it printed, and
   * `ERR_DEADLINE` when it hangs; on abort the program is ended first.
   */
  sign(plan: SigningPlan, options?: CosignCallOptions): Promise<void>;
  /** Which options it understands; asked once. */
  dialect(options?: Pick<CosignCallOptions, "signal">): Promise<CosignDialect>;
  /** False when there is no such program. */
  isPresent(options?: Pick<CosignCallOptions, "signal">): Promise<boolean>;
}

const DEFAULT_TIMEOUT_MS = 120_000;
const STDOUT_LIMIT_BYTES = 4 * 1024 * 1024;
/** What of cosign's words an error carries. */
const SHOWN_CHARACTERS = 1000;

export function createCosign(settings: CosignSettings): Cosign {
  const file = settings.file ?? "cosign";
  const redactor = settings.redactor ?? createRedactor();
  const password = settings.env["COSIGN_PASSWORD"];
  if (password !== undefined) redactor.add(password);
  let dialect: Promise<CosignDialect> | undefined;

  const run = async (
    args: readonly string[],
    env: Readonly<Record<string, string>>,
    signal: AbortSignal | undefined,
  ): Promise<{ readonly stdout: string; readonly stderr: string }> => {
    using deadline = createDeadline({
      what: `cosign ${args[0] ?? ""}`,
      timeoutMs: settings.timeoutMs ?? DEFAULT_TIMEOUT_MS,
      kind: "total",
      signal,
    });
    const outcome = await runProcess({
      file,
      args,
      env,
      signal: deadline.signal,
      stdoutLimitBytes: STDOUT_LIMIT_BYTES,
    });
    switch (outcome.kind) {
      case "exited":
        return { stdout: outcome.stdout.toString("utf8"), stderr: outcome.stderr };
      case "missing":
        throw new ImageTrustError("ERR_TRUST_COSIGN_MISSING", `There is no program ${file}.`, {
          hint: "Install cosign (on Debian: apt-get install cosign), or name it with MOLECULE_COSIGN_PATH.",
        });
      case "failed": {
        const said = redactor.redact(outcome.stderr).trim().slice(-SHOWN_CHARACTERS);
        throw new ImageTrustError(
          "ERR_TRUST_COSIGN_FAILED",
          `cosign ${args[0] ?? ""} ended with ${outcome.status}: ${lastLine(said)}`,
          { hint: adviceOn(said), details: { output: said } },
        );
      }
    }
  };

  const readDialect = async (signal: AbortSignal | undefined): Promise<CosignDialect> => {
    // Distributions build it without a version, so what it can do is read off its own help.
    const { stdout, stderr } = await run(
      ["sign", "--help"],
      cosignEnvironment({ kind: "kms" }, settings.env),
      signal,
    );
    return `${stdout}${stderr}`.includes("--use-signing-config") ? "3" : "2";
  };

  const askDialect: Cosign["dialect"] = async ({ signal } = {}) => {
    dialect ??= readDialect(signal);
    try {
      return await dialect;
    } catch (error) {
      dialect = undefined;
      throw error;
    }
  };

  return {
    dialect: askDialect,
    async sign(plan, { dockerConfig, signal } = {}) {
      const args = cosignArguments(plan, await askDialect({ signal }));
      const env = cosignEnvironment(plan.signer, settings.env, { dockerConfig });
      const secret = secretOf(plan, env);
      if (secret !== undefined) redactor.add(secret);
      await run(args, rootOf(plan, env), signal);
    },
    async isPresent(options) {
      try {
        await askDialect(options);
        return true;
      } catch (error) {
        if (error instanceof ImageTrustError && error.code === "ERR_TRUST_COSIGN_MISSING") {
          return false;
        }
        throw error;
      }
    },
  };
}

/** The key itself, where it lies in a variable that cosign is to read. */
function secretOf(
  { signer }: SigningPlan,
  env: Readonly<Record<string, string>>,
): string | undefined {
  if (signer.kind !== "key" || !signer.reference.startsWith("env:")) return undefined;
  const value = env[signer.reference.replace(/^env:(?:\/\/)?/, "")];
  if (value !== undefined && value !== "") return value;
  throw new ImageTrustError(
    "ERR_TRUST_SIGNER",
    `Nothing can be signed: the key ${signer.reference} is a variable that is not set.`,
    { hint: "Set it to the content of the private key, or name a file." },
  );
}

/** Older ones learn of the root of a sigstore of one's own from a variable. */
function rootOf(
  { signer }: SigningPlan,
  env: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  if (signer.kind !== "keyless" || signer.instance === undefined) return env;
  return { ...env, SIGSTORE_ROOT_FILE: signer.instance.trustedRoot };
}

function lastLine(text: string): string {
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  return (
    lines.findLast((line) => /error/i.test(line)) ??
    lines.at(-1) ??
    "it said nothing"
  ).trim();
}

function adviceOn(text: string): string {
  if (/decrypt|password|passphrase/i.test(text)) {
    return "Give the password of the key in COSIGN_PASSWORD.";
  }
  if (/no such file|reading key|loading (?:private )?key|unsupported pem/i.test(text)) {
    return "Check the path of the key; `cosign generate-key-pair` makes one.";
  }
  if (/UNAUTHORIZED|DENIED|authentication required/i.test(text)) {
    return "Log in to the registry first: the signature is stored beside the image.";
  }
  if (/connection refused|no such host|timeout|dial tcp|EOF/i.test(text)) {
    return "Check that the registry (and, when a log is used, sigstore) can be reached, then sign again.";
  }
  return "Run the same with cosign's own --verbose to see more.";
}
