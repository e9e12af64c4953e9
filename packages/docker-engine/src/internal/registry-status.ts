import { formatImageReference, type ImageReference } from "@molecule-ai/registry-mode";
import { isEngineError } from "../errors.js";
import { encodeAuthHeader, engineAuth, type RegistryCredential } from "../registry-credential.js";
import { tokenStatus } from "./registry-token.js";
import { enginePath, type Transport } from "./transport.js";

/** What was asked of a registry, and as whom. */
export interface RegistryQuestion {
  readonly transport: Transport;
  readonly reference: ImageReference;
  readonly credential: RegistryCredential | undefined;
  readonly signal: AbortSignal | undefined;
}

const PROBE_TIMEOUT_MS = 60_000;

/**
 * A failed transfer tells its reason only in words. The engine's own look at the manifest answers
 * with the registry's status instead, over the same network and with the same credentials.
 */
export async function registryStatus(question: RegistryQuestion): Promise<number | undefined> {
  const status = await probe(question, question.credential);
  // 500 is also what the engine says when it was refused before it came to the manifest.
  return status === 500 ? ((await refusedLogin(question)) ?? status) : status;
}

/** 401 or 403 when credentials, or the want of them, are what the registry refuses. */
async function refusedLogin(question: RegistryQuestion): Promise<number | undefined> {
  const { reference, credential, signal } = question;
  let status: number | undefined;
  if (credential === undefined) {
    // A registry with passwords answers 401 to one that cannot be right; without any the engine
    // does not even ask it.
    const nobody = { kind: "password", username: "anonymous", password: "anonymous" } as const;
    status = await probe(question, nobody);
  }
  if (status === undefined || status === 500) {
    status = await tokenStatus(reference, credential, signal);
  }
  return status === 401 || status === 403 ? status : undefined;
}

async function probe(
  { transport, reference, signal }: RegistryQuestion,
  credential: RegistryCredential | undefined,
): Promise<number | undefined> {
  const tag = reference.digest === undefined ? (reference.tag ?? "latest") : undefined;
  const name = formatImageReference({ ...reference, tag });
  try {
    const { status } = await transport.call({
      method: "GET",
      path: enginePath`/distribution/${name}/json`,
      headers: authHeader(reference, credential),
      subject: `Look for ${name} in its registry`,
      signal,
      timeoutMs: PROBE_TIMEOUT_MS,
    });
    return status;
  } catch (error) {
    if (signal?.aborted === true || !isEngineError(error)) throw error;
    // Without a status the transfer's own error is the one to report.
    const { status } = error.details;
    return typeof status === "number" ? status : undefined;
  }
}

/** Who asks, as the engine passes it on to the registry. */
export function authHeader(
  reference: ImageReference,
  credential: RegistryCredential | undefined,
): Record<string, string> {
  return { "X-Registry-Auth": encodeAuthHeader(engineAuth(reference.domain, credential)) };
}
