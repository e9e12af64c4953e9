import type { SemVer } from "semver";
import { tlsPath } from "../backends/tls-files.js";
import type { BuilderLimits } from "../backends/settings.js";
import type { BuilderConfig } from "./gc-policy.js";

/** A builder that should be there. */
export type BuilderRequest = {
  readonly name: string;
  /** Makes it anew also when one like it is there. Default false. */
  readonly recreate?: boolean | undefined;
  /**
   * Allows an address of another machine without TLS: whoever can speak to a builder runs programs
   * on its host. Default false.
   */
  readonly insecure?: boolean | undefined;
} & (
  | {
      readonly driver: "remote";
      /** `tcp://…`, `unix://…`, `ssh://…`. */
      readonly endpoint: string;
      /** Holds ca.pem, cert.pem and key.pem. */
      readonly certDirectory?: string | undefined;
    }
  | {
      readonly driver: "docker-container";
      /** Address of an engine or name of a Docker context. */
      readonly dockerEndpoint: string;
      readonly limits?: BuilderLimits | undefined;
      /** Image of the daemon; default is buildx's own. */
      readonly image?: string | undefined;
      readonly config?: BuilderConfig | undefined;
    }
);

const CPU_PERIOD_US = 100_000;

/** Options of the driver, by name. */
export function driverOptionsOf(request: BuilderRequest): Readonly<Record<string, string>> {
  if (request.driver === "remote") {
    const { certDirectory } = request;
    if (certDirectory === undefined) return {};
    return {
      cacert: tlsPath(certDirectory, "ca"),
      cert: tlsPath(certDirectory, "cert"),
      key: tlsPath(certDirectory, "key"),
    };
  }
  const { image, limits = {} } = request;
  const memory = limits.memoryBytes === undefined ? undefined : String(limits.memoryBytes);
  return {
    ...(image === undefined ? {} : { image }),
    // Without the second the builder would swap as much again.
    ...(memory === undefined ? {} : { memory, "memory-swap": memory }),
    ...(limits.cpus === undefined
      ? {}
      : {
          "cpu-period": String(CPU_PERIOD_US),
          "cpu-quota": String(Math.round(limits.cpus * CPU_PERIOD_US)),
        }),
  };
}

/** Address that `buildx inspect` shows for the builder of this request. */
export function endpointOf(request: BuilderRequest): string {
  return request.driver === "remote" ? request.endpoint : request.dockerEndpoint;
}

/** The arguments of `buildx create`; never `--use`, which would change everybody's builder. */
export function createArgs(
  request: BuilderRequest,
  options: { readonly version: SemVer; readonly configFile: string | undefined },
): readonly string[] {
  const configFlag = options.version.compareMain("0.13.0") >= 0 ? "--buildkitd-config" : "--config";
  return [
    "create",
    "--name",
    request.name,
    "--driver",
    request.driver,
    ...Object.entries(driverOptionsOf(request)).flatMap(([name, value]) => [
      "--driver-opt",
      csvField(`${name}=${value}`),
    ]),
    ...(options.configFile === undefined ? [] : [configFlag, options.configFile]),
    endpointOf(request),
  ];
}

/** buildx reads each option as a line of CSV. */
function csvField(text: string): string {
  return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
