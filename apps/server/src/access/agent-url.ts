import ipaddr from "ipaddr.js";
import { lookup as systemLookup } from "node:dns/promises";
import { ServerError } from "../errors.js";

export interface ResolvedAddress {
  readonly address: string;
  readonly family: 4 | 6;
}

export type Lookup = (hostname: string) => Promise<readonly ResolvedAddress[]>;

export interface AgentUrlOptions {
  /** Agents live in private networks that this server is part of. */
  readonly isSaas: boolean;
  readonly signal?: AbortSignal | undefined;
  readonly lookup?: Lookup | undefined;
}

const MOST_URL_LENGTH = 2048;
const LOOKUP_TIMEOUT_MS = 5000;

/** Where clouds hand out the credentials of the machine, outside of the link-local range. */
const METADATA = ["168.63.129.16/32", "fd00:ec2::/32", "fd20:ce::/32"].map((network) =>
  ipaddr.parseCIDR(network),
);
const GLOBAL_UNICAST = ipaddr.parseCIDR("2000::/3");
const LOCALLY_ASSIGNED = ipaddr.parseCIDR("fd00::/8");

/**
 * Checks a URL that somebody else says an agent is at, so that no request of ours goes to what only
 * this machine can reach. The server itself connects to none of them.
 *
 * Allowed are http and https to public addresses, to private ones (10/8, 172.16/12, 192.168/16,
 * fd00::/8) when `isSaas`, and the name `localhost`. URLs that the provisioner stored itself are not
 * checked: it knows where its containers are.
 *
 * @returns the URL as it was understood, which is what to store: others may read what was written
 *   differently.
 * @throws ServerError `ERR_AGENT_URL_REFUSED` saying which rule refused; the signal's reason.
 */
export async function checkAgentUrl(text: string, options: AgentUrlOptions): Promise<string> {
  const url = parseAgentUrl(text);
  const host = hostOf(url);
  if (ipaddr.isValid(host)) {
    requireAllowed(host, options.isSaas);
    return storedForm(url);
  }
  for (const { address } of await resolve(host, options)) {
    if (isLocalhost(host)) requireLoopback(address);
    else requireAllowed(address, options.isSaas);
  }
  return storedForm(url);
}

/** Without the path that no path is parsed to. */
function storedForm(url: URL): string {
  return url.href === `${url.origin}/` ? url.origin : url.href;
}

function parseAgentUrl(text: string): URL {
  if (text.length > MOST_URL_LENGTH) {
    throw refused(`The URL of the agent is longer than ${MOST_URL_LENGTH} characters.`);
  }
  if (!URL.canParse(text)) throw refused("The URL of the agent is not a URL.");
  const url = new URL(text);
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    throw refused("The URL of the agent is neither http nor https.");
  }
  if (url.username !== "" || url.password !== "") {
    throw refused("The URL of the agent holds a user name or a password.");
  }
  if (hostOf(url) === "") throw refused("The URL of the agent names no host.");
  return url;
}

/** The host without the brackets of an IPv6 address and without the dot that ends a full name. */
function hostOf({ hostname }: URL): string {
  return hostname.replace(/^\[|\]$/g, "").replace(/\.$/, "");
}

function isLocalhost(host: string): boolean {
  return host === "localhost";
}

async function resolve(
  host: string,
  { lookup = lookupEverything, signal }: AgentUrlOptions,
): Promise<readonly ResolvedAddress[]> {
  signal?.throwIfAborted();
  const limit = AbortSignal.timeout(LOOKUP_TIMEOUT_MS);
  const giveUp = signal === undefined ? limit : AbortSignal.any([signal, limit]);
  let onAbort: (() => void) | undefined;
  try {
    const gaveUp = new Promise<never>((_resolve, reject) => {
      onAbort = () => reject(giveUp.reason as Error);
      giveUp.addEventListener("abort", onAbort, { once: true });
    });
    const found = await Promise.race([lookup(host), gaveUp]);
    if (found.length > 0) return found;
  } catch {
    signal?.throwIfAborted();
  } finally {
    if (onAbort !== undefined) giveUp.removeEventListener("abort", onAbort);
  }
  throw refused("The host in the URL of the agent cannot be resolved.");
}

async function lookupEverything(hostname: string): Promise<readonly ResolvedAddress[]> {
  const found = await systemLookup(hostname, { all: true });
  return found.map(({ address, family }) => ({ address, family: family === 6 ? 6 : 4 }));
}

function requireLoopback(address: string): void {
  if (ipaddr.isValid(address) && ipaddr.process(address).range() === "loopback") return;
  throw refused("The name localhost does not mean this machine here.");
}

function requireAllowed(address: string, isSaas: boolean): void {
  const kind = kindOf(address);
  if (kind === "public" || (kind === "private" && isSaas)) return;
  throw kind === "private"
    ? refused(
        "The agent has a private address.",
        "Give it a public name, or set MOLECULE_DEPLOY_MODE=saas when agents share a private network with this server.",
      )
    : refused("The agent has an address that no request may go to.");
}

/** What is neither public nor private is never allowed, and so is whatever is unknown. */
function kindOf(text: string): "public" | "private" | "forbidden" {
  if (!ipaddr.isValid(text) || text.includes("%")) return "forbidden";
  // An IPv4 address in IPv6 clothes is judged as what it is.
  const address = ipaddr.process(text);
  if (METADATA.some((network) => isWithin(address, network))) return "forbidden";
  if (address.kind() === "ipv4") {
    const range = address.range();
    return range === "unicast" ? "public" : range === "private" ? "private" : "forbidden";
  }
  if (isWithin(address, LOCALLY_ASSIGNED)) return "private";
  return address.range() === "unicast" && isWithin(address, GLOBAL_UNICAST)
    ? "public"
    : "forbidden";
}

type Address = ReturnType<typeof ipaddr.parse>;

function isWithin(address: Address, [network, bits]: [Address, number]): boolean {
  return address.kind() === network.kind() && address.match(network, bits);
}

function refused(message: string, hint?: string): ServerError {
  return new ServerError("ERR_AGENT_URL_REFUSED", message, {
    hint: hint ?? "Give an http or https URL with a public address or name.",
  });
}
