import { parseChallenges, type ImageReference } from "@molecule-ai/registry-mode";
import { get as httpGet, type IncomingMessage } from "node:http";
import { get as httpsGet } from "node:https";
import type { RegistryCredential } from "../registry-credential.js";

const TIMEOUT_MS = 10_000;

/**
 * The status a registry's token service gives to this credential, or to a stranger, that wants to
 * pull; undefined when the registry has none or cannot be reached from here.
 *
 * Engines do not pass this status on: to them a refused token is any failure. As with them, the
 * password goes where the registry's challenge says, but never unencrypted over a network.
 */
export async function tokenStatus(
  { domain, path }: ImageReference,
  credential: RegistryCredential | undefined,
  signal: AbortSignal | undefined,
): Promise<number | undefined> {
  // Exchanging an identity token would use up one that can be used once.
  if (credential?.kind === "identity-token") return undefined;
  const host = domain === "docker.io" ? "registry-1.docker.io" : domain;
  // Engines speak plain HTTP to registries of their own machine only.
  const scheme = LOOPBACK.test(host) ? "http" : "https";
  const challenged = await ask(`${scheme}://${host}/v2/`, {}, signal);
  if (challenged?.statusCode !== 401) return undefined;
  const realm = tokenUrl(challenged.headers["www-authenticate"], path);
  if (realm === undefined) return undefined;
  if (credential === undefined) return (await ask(realm, {}, signal))?.statusCode;
  const { protocol, host: realmHost } = new URL(realm);
  if (protocol !== "https:" && !LOOPBACK.test(realmHost)) return undefined;
  const basic = Buffer.from(`${credential.username}:${credential.password}`).toString("base64");
  return (await ask(realm, { authorization: `Basic ${basic}` }, signal))?.statusCode;
}

const LOOPBACK = /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])(?::\d+)?$/;

/** URL of the token service in a Bearer challenge, for pulling that repository. */
export function tokenUrl(challenge: string | undefined, path: string): string | undefined {
  const bearer = parseChallenges(challenge).find(({ scheme }) => scheme === "bearer");
  const realm = bearer?.parameters.get("realm");
  if (realm === undefined || !/^https?:\/\//.test(realm) || !URL.canParse(realm)) return undefined;
  const url = new URL(realm);
  const service = bearer?.parameters.get("service");
  if (service !== undefined) url.searchParams.set("service", service);
  url.searchParams.set("scope", `repository:${path}:pull`);
  return url.href;
}

/** Status and headers of one GET; undefined when there is no answer. */
function ask(
  url: string,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal | undefined,
): Promise<IncomingMessage | undefined> {
  return new Promise((resolve, reject) => {
    const get = url.startsWith("https:") ? httpsGet : httpGet;
    const limits = {
      agent: false,
      timeout: TIMEOUT_MS,
      ...(signal === undefined ? {} : { signal }),
    };
    const outgoing = get(url, limits, (answer) => {
      resolve(answer);
      answer.destroy();
    });
    outgoing.on("timeout", () => outgoing.destroy());
    outgoing.on("error", () => {
      resolve(undefined);
    });
    outgoing.on("close", () => {
      if (signal?.aborted === true) reject(signal.reason as Error);
      resolve(undefined);
    });
  });
}
