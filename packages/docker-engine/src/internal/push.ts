import { familiarName, parseImageReference, type ImageReference } from "@molecule-ai/registry-mode";
import type { ImageApi, PushOptions, PushResult } from "../engine.js";
import { EngineError, truncatedError, type EngineErrorCode } from "../errors.js";
import { readProgressStream } from "../json-stream.js";
import { decodePushMessage } from "../push-progress.js";
import { redactCredential, type RegistryCredential } from "../registry-credential.js";
import { isRefusal, LONGEST_SILENCE_MS, type TransferContext } from "./pull.js";
import { authHeader, registryStatus } from "./registry-status.js";
import { enginePath } from "./transport.js";

/** Pushes one tag; `ERR_PUSH_*` by what the registry answers the engine. */
export async function pushImage(
  context: TransferContext,
  inspect: ImageApi["inspect"],
  ref: string,
  options: PushOptions,
): Promise<PushResult> {
  const { signal, platform, onEvent } = options;
  const reference = parseImageReference(ref);
  if (reference.digest !== undefined) {
    throw new EngineError("ERR_ENGINE_BAD_REQUEST", `${ref} cannot be pushed: it has a digest`, {
      hint: "Tag the image, and push the tag.",
    });
  }
  const subject = `Push ${ref}`;
  const { credential, warnings } = await findCredential(context, reference, options);
  for (const warning of warnings) onEvent?.(warning);
  let pushed: PushResult | undefined;
  try {
    const { body } = await context.transport.open({
      method: "POST",
      path: enginePath`/images/${familiarName(reference)}/push`,
      // Without a tag the engine would push them all.
      query: { tag: reference.tag ?? "latest", platform: ociPlatform(platform) },
      headers: authHeader(reference, credential),
      subject,
      signal,
      timeoutMs: LONGEST_SILENCE_MS,
    });
    for await (const value of readProgressStream(body, { subject, redactor: context.redactor })) {
      const message = decodePushMessage(ref, value);
      if (message.kind === "layer") onEvent?.(message.event);
      else if (message.kind === "manifest") {
        pushed = { digest: message.digest, sizeBytes: message.sizeBytes };
      }
    }
  } catch (error) {
    if (signal?.aborted === true || !isRefusal(error)) throw error;
    throw await explain(context, inspect, { reference, ref, credential, cause: error, signal });
  }
  if (pushed === undefined) {
    throw truncatedError(subject, "the engine's progress ended before the image was complete");
  }
  return pushed;
}

async function findCredential(
  { credentials, redactor }: TransferContext,
  reference: ImageReference,
  options: PushOptions,
): ReturnType<TransferContext["credentials"]["find"]> {
  if (options.credential === undefined) {
    return credentials.find(reference.domain, options.signal);
  }
  redactCredential(redactor, options.credential);
  return { credential: options.credential, warnings: [] };
}

/** `os/arch[/variant]` as this call wants it. */
function ociPlatform(platform: string | undefined): string | undefined {
  if (platform === undefined) return undefined;
  const [os, architecture, variant] = platform.split("/");
  return JSON.stringify({ os, architecture, variant });
}

interface FailedPush {
  readonly reference: ImageReference;
  readonly ref: string;
  readonly credential: RegistryCredential | undefined;
  readonly cause: EngineError;
  readonly signal: AbortSignal | undefined;
}

async function explain(
  context: TransferContext,
  inspect: ImageApi["inspect"],
  failed: FailedPush,
): Promise<EngineError> {
  const { ref, cause, credential, reference, signal } = failed;
  if ((await inspect(ref, { signal })) === undefined) {
    return new EngineError("ERR_ENGINE_IMAGE_NOT_FOUND", `Image ${ref} is not on the engine`, {
      hint: "Build or tag it first.",
      details: { ...cause.details, image: ref },
      cause,
    });
  }
  const { engineMessage: said } = cause.details;
  const engineMessage = typeof said === "string" ? said : "";
  const registryError = registryErrorOf(engineMessage);
  // A registry lets many read who may not write: its look at the manifest explains only refusals.
  const status =
    registryError !== undefined || context.podman
      ? undefined
      : await registryStatus({ ...failed, transport: context.transport });
  const code = registryError ?? codeOfReadStatus(status);
  const as = credential === undefined ? "anonymously" : "with credentials";
  return new EngineError(code, `Push ${ref} (${as}) failed: ${engineMessage}`, {
    hint: hintOf(code, reference.domain, credential !== undefined),
    retryable: code === "ERR_PUSH_RATE_LIMITED" || code === "ERR_PUSH_UNAVAILABLE",
    details: {
      ...cause.details,
      registry: reference.domain,
      authenticated: credential !== undefined,
      ...(status === undefined ? {} : { registryStatus: status }),
    },
    cause,
  });
}

// A registry's own error codes, which the engine writes before their message in small letters.
const REGISTRY_ERRORS: Readonly<Record<string, EngineErrorCode>> = {
  unauthorized: "ERR_PUSH_UNAUTHORIZED",
  denied: "ERR_PUSH_FORBIDDEN",
  "name unknown": "ERR_PUSH_NOT_FOUND",
  toomanyrequests: "ERR_PUSH_RATE_LIMITED",
};

function registryErrorOf(engineMessage: string): EngineErrorCode | undefined {
  const word = /^([a-z ]{1,32}): /.exec(engineMessage)?.[1] ?? "";
  return Object.hasOwn(REGISTRY_ERRORS, word) ? REGISTRY_ERRORS[word] : undefined;
}

function codeOfReadStatus(status: number | undefined): EngineErrorCode {
  switch (status) {
    case 401:
      return "ERR_PUSH_UNAUTHORIZED";
    case 403:
      return "ERR_PUSH_FORBIDDEN";
    case 429:
      return "ERR_PUSH_RATE_LIMITED";
    default:
      return "ERR_PUSH_UNAVAILABLE";
  }
}

function hintOf(code: EngineErrorCode, registry: string, authenticated: boolean): string {
  switch (code) {
    case "ERR_PUSH_UNAUTHORIZED":
      return authenticated
        ? `Check the credentials for ${registry}: the registry does not accept them.`
        : `Log in with docker login ${registry}.`;
    case "ERR_PUSH_FORBIDDEN":
      return authenticated
        ? `Check that your account at ${registry} may write to this repository, and that it exists.`
        : `Log in with docker login ${registry}.`;
    case "ERR_PUSH_NOT_FOUND":
      return `Create the repository or project at ${registry} first.`;
    case "ERR_PUSH_RATE_LIMITED":
      return "Wait, then try again.";
    default:
      return `Check that the engine reaches ${registry} and that the registry has free space; then try again.`;
  }
}
