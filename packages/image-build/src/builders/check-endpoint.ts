import { isProvisionerError } from "@molecule-ai/core";
import { isLoopback, parseBuildkitEndpoint } from "../backends/buildkit-endpoint.js";
import { probeBuildkit } from "../backends/probe.js";
import { readTlsFiles } from "../backends/tls-files.js";
import { ImageBuildError } from "../errors.js";
import { endpointOf, type BuilderRequest } from "./create-args.js";

/**
 * A builder is told to run programs: nobody else may listen, or speak in its place. Throws
 * `ERR_BUILDER` for another machine without TLS, or without the certificates for it.
 */
export async function checkTransport(request: BuilderRequest): Promise<void> {
  const { name } = request;
  const endpoint = endpointOf(request);
  if (!/^[A-Za-z0-9][\u0021-\u007e]{0,511}$/.test(endpoint)) {
    throw new ImageBuildError("ERR_BUILDER", `The builder ${name} has no endpoint that can be.`, {
      hint: "Write it as tcp://host:port, unix:///path, ssh://user@host, or as the name of a context.",
    });
  }
  const host = /^(?:tcp|https?):\/\/(?:\[([^\]]*)\]|([^:/]*))/i.exec(endpoint);
  const certDirectory = request.driver === "remote" ? request.certDirectory : undefined;
  if (certDirectory !== undefined) {
    const tls = await readTlsFiles(certDirectory);
    if (tls.kind === "read") return;
    throw new ImageBuildError(
      "ERR_BUILDER",
      `The builder ${name} has no certificates for ${endpoint}: ${tls.reasons.join("; ")}.`,
      {
        hint: `Put ca.pem, cert.pem and key.pem into ${certDirectory}, or set BUILDKIT_CERT_PATH.`,
      },
    );
  }
  if (host === null || request.insecure === true || isLoopback(host[1] ?? host[2] ?? "")) return;
  throw new ImageBuildError(
    "ERR_BUILDER",
    `The builder ${name} would be spoken to without TLS at ${endpoint}.`,
    {
      hint:
        request.driver === "remote"
          ? "Name the directory of ca.pem, cert.pem and key.pem with BUILDKIT_CERT_PATH."
          : "Name a Docker context with certificates (DOCKER_CONTEXT), or use ssh://.",
    },
  );
}

/**
 * Asks a remote daemon itself, for an answer within a moment and a reason in words: buildx tries a
 * dead one for 20 seconds, and a silent one for ever. Throws `ERR_BUILDER`, `ERR_DEADLINE`.
 */
export async function checkDaemon(
  request: BuilderRequest & { driver: "remote" },
  options: { readonly signal: AbortSignal; readonly timeoutMs: number },
): Promise<void> {
  const endpoint = parseBuildkitEndpoint(request.endpoint, `The endpoint of ${request.name}`);
  const probe = await probeBuildkit({ endpoint, certDirectory: request.certDirectory }, options);
  if (probe.kind === "healthy") return;
  if (isProvisionerError(probe.cause, "ERR_DEADLINE")) throw probe.cause;
  throw builderNotStarted(request, probe.reasons.join("; "), probe.cause);
}

/** A builder that is there and does not come up. */
export function builderNotStarted(
  request: BuilderRequest,
  complaint: string,
  cause?: unknown,
): ImageBuildError {
  return new ImageBuildError(
    "ERR_BUILDER",
    `The builder ${request.name} (${request.driver}, ${endpointOf(request)}) does not start: ${complaint}.`,
    {
      hint:
        request.driver === "remote"
          ? "Start the BuildKit daemon there, or correct BUILDKIT_HOST."
          : "Check that the engine can pull moby/buildkit and run privileged containers, or use another backend.",
      retryable: true,
      cause,
    },
  );
}
