import { EngineError } from "../errors.js";

/** What `/_ping` tells in its headers. */
export interface Ping {
  readonly apiVersion: string;
  readonly osType: string;
  readonly podman: boolean;
  /** True when the engine's own BuildKit can be asked for. */
  readonly buildkit: boolean;
}

/** Newest API this package was written against. */
const NEWEST_API_VERSION = "1.48";
/** Docker 19.03: everything we call exists, platform on create aside. */
const OLDEST_API_VERSION = "1.40";

/** Undefined when the headers are not those of a Docker-compatible engine. */
export function readPing(headers: Readonly<Record<string, string>>): Ping | undefined {
  const apiVersion = headers["api-version"];
  if (apiVersion === undefined || !/^\d{1,3}\.\d{1,3}$/.test(apiVersion)) return undefined;
  const osType = headers["ostype"] ?? "linux";
  const podman = headers["libpod-api-version"] !== undefined;
  // Engines before 23 leave the header out unless daemon.json decides; they have BuildKit all the same.
  const builder = headers["builder-version"] ?? "2";
  return { apiVersion, osType, podman, buildkit: builder === "2" && osType === "linux" && !podman };
}

/** The version both sides speak. Throws `ERR_ENGINE_UNSUPPORTED` for an engine that is too old. */
export function negotiateApiVersion(ping: Ping, address: string): string {
  if (compareApiVersions(ping.apiVersion, OLDEST_API_VERSION) < 0) {
    throw new EngineError(
      "ERR_ENGINE_UNSUPPORTED",
      `The engine at ${address} speaks API ${ping.apiVersion}, older than ${OLDEST_API_VERSION}`,
      { hint: "Use Docker 19.03 or newer." },
    );
  }
  return compareApiVersions(ping.apiVersion, NEWEST_API_VERSION) > 0
    ? NEWEST_API_VERSION
    : ping.apiVersion;
}

export function compareApiVersions(a: string, b: string): number {
  const [majorA = 0, minorA = 0] = a.split(".").map(Number);
  const [majorB = 0, minorB = 0] = b.split(".").map(Number);
  return majorA - majorB || minorA - minorB;
}
