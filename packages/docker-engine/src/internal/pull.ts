import type { Redactor } from "@molecule-ai/core";
import {
  familiarName,
  formatImageReference,
  parseImageReference,
} from "@molecule-ai/registry-mode";
import type { ImageReference } from "@molecule-ai/registry-mode";
import type { ImageApi, PullOptions } from "../engine.js";
import { EngineError, isEngineError, truncatedError, type EngineErrorCode } from "../errors.js";
import { readProgressStream } from "../json-stream.js";
import { decodePullMessage } from "../pull-progress.js";
import type { RegistryCredential } from "../registry-credential.js";
import type { CredentialStore } from "./credential-store.js";
import { authHeader, registryStatus } from "./registry-status.js";
import type { Transport } from "./transport.js";

/** What transfers from and to registries need. */
export interface TransferContext {
  readonly transport: Transport;
  readonly credentials: CredentialStore;
  readonly redactor: Redactor;
  readonly podman: boolean;
}

// Between two messages lie a registry's answer, or a layer that is unpacked.
export const LONGEST_SILENCE_MS: number = 5 * 60_000;

/** Pulls one image; `ERR_PULL_*` by what the registry answers the engine. */
export async function pullImage(
  context: TransferContext,
  inspect: ImageApi["inspect"],
  ref: string,
  options: PullOptions,
): Promise<{ readonly digest: string | undefined }> {
  const { transport } = context;
  const { signal, platform, onEvent } = options;
  const reference = parseImageReference(ref);
  const subject = `Pull ${ref}`;
  const { credential, warnings } = await context.credentials.find(reference.domain, signal);
  for (const warning of warnings) onEvent?.(warning);
  let digest: string | undefined;
  try {
    const { body } = await transport.open({
      method: "POST",
      path: "/images/create",
      query: {
        fromImage: familiarName(reference),
        // Without a tag the engine would pull them all.
        tag: reference.digest ?? reference.tag ?? "latest",
        platform,
      },
      headers: authHeader(reference, credential),
      subject,
      signal,
      timeoutMs: LONGEST_SILENCE_MS,
    });
    for await (const value of readProgressStream(body, { subject, redactor: context.redactor })) {
      const message = decodePullMessage(ref, value);
      if (message.kind === "digest") digest = message.digest;
      else if (message.kind === "layer") onEvent?.(message.event);
    }
  } catch (error) {
    if (signal?.aborted === true || !isRefusal(error)) throw error;
    throw await explain(context, { reference, ref, credential, cause: error, signal, warnings });
  }
  if (digest === undefined && context.podman) {
    const image = await inspect(ref, { signal });
    const name = `${formatImageReference({ ...reference, tag: undefined, digest: undefined })}@`;
    digest = image?.digests.find((entry) => entry.startsWith(name))?.slice(name.length);
    if (image !== undefined) return { digest };
  }
  if (digest === undefined) {
    throw truncatedError(subject, "the engine's progress ended before the image was complete");
  }
  return { digest };
}

/** Only what the engine itself said: a broken connection says nothing about the registry. */
export function isRefusal(error: unknown): error is EngineError {
  if (!isEngineError(error)) return false;
  switch (error.code) {
    case "ERR_ENGINE_STREAM":
    case "ERR_ENGINE_NOT_FOUND":
    case "ERR_ENGINE_UNAUTHORIZED":
    case "ERR_ENGINE_SERVER":
    case "ERR_ENGINE_BAD_REQUEST":
    case "ERR_ENGINE_CONFLICT":
      return true;
    default:
      return false;
  }
}

interface FailedPull {
  readonly reference: ImageReference;
  readonly ref: string;
  readonly credential: RegistryCredential | undefined;
  readonly cause: EngineError;
  readonly signal: AbortSignal | undefined;
  readonly warnings: readonly { readonly message: string }[];
}

async function explain(context: TransferContext, failed: FailedPull): Promise<EngineError> {
  const { ref, cause, credential, reference } = failed;
  const status = context.podman
    ? undefined // It has no such call.
    : await registryStatus({ ...failed, transport: context.transport });
  const { engineMessage } = cause.details;
  const code = codeOfRegistryStatus(status);
  const as = credential === undefined ? "anonymously" : "with credentials";
  const hints: { readonly [Code in EngineErrorCode]?: string } = {
    ERR_PULL_UNAUTHORIZED:
      credential === undefined
        ? `Log in with docker login ${reference.domain}${failed.warnings.map(({ message }) => ` (${message})`).join("")}.`
        : `Check the credentials for ${reference.domain}: the registry does not accept them.`,
    ERR_PULL_FORBIDDEN: `Check that your account at ${reference.domain} may read this repository.`,
    ERR_PULL_NOT_FOUND:
      "Check name and tag; registries also say this of private images to those they do not know.",
    ERR_PULL_RATE_LIMITED: `Wait, or log in to ${reference.domain} for a higher limit.`,
    ERR_PULL_FAILED: `Check that the engine reaches the registry and has free disk space${credential === undefined ? `, and log in with docker login ${reference.domain} if the image is private` : ""}; then try again.`,
  };
  const said = typeof engineMessage === "string" ? `: ${engineMessage}` : "";
  return new EngineError(code, `Pull ${ref} (${as}) failed${said}`, {
    hint: hints[code],
    retryable: code === "ERR_PULL_RATE_LIMITED" || code === "ERR_PULL_FAILED",
    details: {
      ...cause.details,
      registry: reference.domain,
      authenticated: credential !== undefined,
      ...(status === undefined ? {} : { registryStatus: status }),
    },
    cause,
  });
}

function codeOfRegistryStatus(status: number | undefined): EngineErrorCode {
  switch (status) {
    case 401:
      return "ERR_PULL_UNAUTHORIZED";
    case 403:
      return "ERR_PULL_FORBIDDEN";
    case 404:
      return "ERR_PULL_NOT_FOUND";
    case 429:
      return "ERR_PULL_RATE_LIMITED";
    default:
      return "ERR_PULL_FAILED";
  }
}
