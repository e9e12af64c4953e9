import type { Warning } from "@molecule-ai/core";
import type { RegistryCredential } from "@molecule-ai/docker-engine";
import { ImageBuildError } from "../errors.js";
import { normalizeRegistryHost } from "./registry-host.js";
import { isLocalTarget, type RegistryTarget } from "./registry-target.js";

type Environment = Readonly<Record<string, string | undefined>>;

/** What the variables of a prefix say; empty counts as unset. */
export interface PrefixCredential {
  readonly user: string | undefined;
  readonly secret: string | undefined;
  /** The variable that `secret` is from. */
  readonly secretVariable: string | undefined;
  readonly kind: "token" | "password" | undefined;
}

/** Endings of the variables of a secret; the first that is set wins. */
const SECRETS = [
  ["_TOKEN", "token"],
  ["_PASS", "password"],
  ["_PASSWORD", "password"],
] as const;

/** Looks up the credential whose variables begin with `prefix`, in any case. */
export function credentialOfPrefix(prefix: string, env: Environment): PrefixCredential {
  const start = prefix.toUpperCase();
  const user = env[`${start}_USER`] || undefined;
  for (const [ending, kind] of SECRETS) {
    const secretVariable = `${start}${ending}`;
    const secret = env[secretVariable] || undefined;
    if (secret !== undefined) return { user, secret, secretVariable, kind };
  }
  return { user, secret: undefined, secretVariable: undefined, kind: undefined };
}

/** Who logs in where. */
export interface RegistryLogin {
  /** As references have it; `docker.io` for Docker Hub. */
  readonly host: string;
  readonly credential: RegistryCredential;
  /** The prefix it was found by, for messages. */
  readonly origin: string;
}

/**
 * The credentials of all targets that name some, each registry once. Targets without credentials and
 * local ones need none. Throws `ERR_PUSH_CREDENTIALS` when what is named is not there, or when two
 * targets of one registry name different ones: a registry is logged in to once.
 */
export function resolveLogins(
  targets: readonly RegistryTarget[],
  env: Environment,
): { readonly logins: readonly RegistryLogin[]; readonly warnings: readonly Warning[] } {
  const logins = new Map<string, RegistryLogin>();
  const warnings = new Map<string, Warning>();
  for (const target of targets) {
    const { credentials: prefix } = target;
    if (prefix === undefined || prefix === "" || isLocalTarget(target)) continue;
    const host = normalizeRegistryHost(target.url).split("/", 1)[0] ?? "";
    const known = logins.get(host);
    if (known !== undefined) {
      if (known.origin.toUpperCase() === prefix.toUpperCase()) continue;
      throw refuse(
        `registry ${host}: both credentials "${known.origin}" and "${prefix}" are configured`,
        "Give all targets of a registry the same credentials, or publish to them one after the other.",
      );
    }
    const { login, warning } = resolveLogin(host, target.url, prefix, env);
    logins.set(host, login);
    if (warning !== undefined) warnings.set(warning.message, warning);
  }
  return { logins: [...logins.values()], warnings: [...warnings.values()] };
}

function resolveLogin(
  host: string,
  url: string,
  prefix: string,
  env: Environment,
): { readonly login: RegistryLogin; readonly warning: Warning | undefined } {
  const { user, secret, secretVariable = "", kind } = credentialOfPrefix(prefix, env);
  const start = prefix.toUpperCase();
  if (user === undefined || secret === undefined) {
    throw refuse(
      `registry ${url}: credentials "${prefix}" configured but ${start}_USER and/or ${start}_TOKEN env vars not set`,
      `Set ${start}_USER and ${start}_TOKEN.`,
    );
  }
  if (user.includes(":")) {
    throw refuse(
      `registry ${url}: the user in ${start}_USER has a colon in it`,
      "Registries take the colon for the end of the user name: correct the variable.",
    );
  }
  const credential = { kind: "password", username: user, password: secret } as const;
  const warning: Warning | undefined =
    kind === "password"
      ? {
          type: "warning",
          code: "WARN_REGISTRY_PASSWORD",
          message: `${secretVariable} holds a password for ${host}.`,
          hint: `Use an access token with the least rights, in ${start}_TOKEN.`,
        }
      : undefined;
  return { login: { host, credential, origin: prefix }, warning };
}

function refuse(reason: string, hint: string): ImageBuildError {
  return new ImageBuildError("ERR_PUSH_CREDENTIALS", `${reason}.`, { hint });
}
