import { RegistryModeError } from "./errors.js";

/**
 * An image reference in its normal form: `busybox` has domain `docker.io` and path `library/busybox`.
 */
export interface ImageReference {
  /** Registry host with its port: `docker.io`, `localhost:5000`, `[::1]:5000`. */
  readonly domain: string;
  /** Repository within the registry. */
  readonly path: string;
  readonly tag: string | undefined;
  /** `sha256:…`, `sha384:…` or `sha512:…`. */
  readonly digest: string | undefined;
}

const DEFAULT_DOMAIN = "docker.io";
const LEGACY_DEFAULT_DOMAIN = "index.docker.io";
const OFFICIAL_NAMESPACE = "library/";
const LONGEST_PATH = 255;
// Domain, path, tag and the longest digest together; keeps every expression below cheap.
const LONGEST_REFERENCE = 1024;

const IDENTIFIER = /^[a-f0-9]{64}$/;
const DOMAIN_COMPONENT = "(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])";
const DOMAIN = new RegExp(
  `^(?:${DOMAIN_COMPONENT}(?:\\.${DOMAIN_COMPONENT})*|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?$`,
);
const PATH_COMPONENT = "[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*";
const PATH = new RegExp(`^${PATH_COMPONENT}(?:/${PATH_COMPONENT})*$`);
const TAG = /^\w[\w.-]{0,127}$/;
const DIGEST = /^(?:sha256:[a-f0-9]{64}|sha384:[a-f0-9]{96}|sha512:[a-f0-9]{128})$/;

/**
 * Reads a reference as the Docker engine does: the grammar of distribution/reference, then Docker
 * Hub's short names made whole. Throws `ERR_IMAGE_REFERENCE_INVALID`.
 */
export function parseImageReference(text: string): ImageReference {
  const refuse = (reason: string, hint?: string): never => {
    throw new RegistryModeError(
      "ERR_IMAGE_REFERENCE_INVALID",
      `${JSON.stringify(text.slice(0, 300))} is no image reference: ${reason}.`,
      { hint: hint ?? "Write it as [registry[:port]/]repository[:tag][@sha256:digest]." },
    );
  };
  if (text === "") return refuse("it is empty");
  if (text.length > LONGEST_REFERENCE) return refuse(`it is longer than ${LONGEST_REFERENCE}`);
  if (IDENTIFIER.test(text)) return refuse("64 hex digits are an image id, not a name");

  const { domain, remainder } = splitDomain(text);
  if (!DOMAIN.test(domain)) return refuse(`${JSON.stringify(domain)} is no registry host`);

  const at = remainder.indexOf("@");
  const digest = at === -1 ? undefined : remainder.slice(at + 1);
  const named = at === -1 ? remainder : remainder.slice(0, at);
  const colon = named.indexOf(":");
  const tag = colon === -1 ? undefined : named.slice(colon + 1);
  const path = colon === -1 ? named : named.slice(0, colon);

  if (path !== path.toLowerCase()) return refuse("the repository name must be lower case");
  if (!PATH.test(path)) return refuse("the repository name is malformed");
  if (path.length > LONGEST_PATH) {
    return refuse(`the repository name is longer than ${LONGEST_PATH}`);
  }
  if (tag !== undefined && !TAG.test(tag)) return refuse("the tag is malformed");
  if (digest !== undefined && !DIGEST.test(digest)) {
    return refuse("the digest is malformed", "A digest is sha256: and 64 lower-case hex digits.");
  }
  return { domain, path, tag, digest };
}

/** The whole reference, nothing implied: `docker.io/library/busybox:1.36`. Inverse of the parser. */
export function formatImageReference(reference: ImageReference): string {
  return `${reference.domain}/${reference.path}${suffix(reference)}`;
}

/**
 * The name people write, without tag and digest: `busybox` for `docker.io/library/busybox`. Nothing
 * is left out that would make it another name.
 */
export function familiarName(reference: ImageReference): string {
  const { domain, path } = reference;
  const whole = `${domain}/${path}`;
  if (domain !== DEFAULT_DOMAIN) return whole;
  const short = path.startsWith(OFFICIAL_NAMESPACE) ? path.slice(OFFICIAL_NAMESPACE.length) : path;
  if (!short.includes("/")) return IDENTIFIER.test(short) ? path : short;
  return isHost(path.slice(0, path.indexOf("/"))) ? whole : path;
}

/** The reference as people write it and as the engine lists it: `busybox:1.36`. */
export function familiarReference(reference: ImageReference): string {
  return `${familiarName(reference)}${suffix(reference)}`;
}

/** Host (and port) of the registry a reference points to; `docker.io` for Docker Hub. */
export function registryHost(reference: ImageReference | string): string {
  return asReference(reference).domain;
}

/** True for `sha256:`, `sha384:` or `sha512:` with all their lower-case hex digits. */
export function isDigest(text: string): boolean {
  return DIGEST.test(text);
}

/** The parsed form of either. Throws `ERR_IMAGE_REFERENCE_INVALID`. */
export function asReference(reference: ImageReference | string): ImageReference {
  return typeof reference === "string" ? parseImageReference(reference) : reference;
}

function suffix({ tag, digest }: ImageReference): string {
  return `${tag === undefined ? "" : `:${tag}`}${digest === undefined ? "" : `@${digest}`}`;
}

function splitDomain(text: string): { domain: string; remainder: string } {
  const slash = text.indexOf("/");
  if (slash === -1) return { domain: DEFAULT_DOMAIN, remainder: OFFICIAL_NAMESPACE + text };
  const first = text.slice(0, slash);
  const named = isHost(first);
  const domain = !named || first === LEGACY_DEFAULT_DOMAIN ? DEFAULT_DOMAIN : first;
  const remainder = named ? text.slice(slash + 1) : text;
  const official = domain === DEFAULT_DOMAIN && !remainder.includes("/");
  return { domain, remainder: official ? OFFICIAL_NAMESPACE + remainder : remainder };
}

// A first part is a host only if it could not be a namespace of Docker Hub.
function isHost(first: string): boolean {
  return first === "localhost" || /[.:]/.test(first) || first !== first.toLowerCase();
}
