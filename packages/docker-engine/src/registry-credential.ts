import type { Redactor } from "@molecule-ai/core";
import { z } from "zod";

/** What a registry is told about who asks. */
export type RegistryCredential =
  | { readonly kind: "password"; readonly username: string; readonly password: string }
  /** A refresh token that the engine exchanges itself. */
  | { readonly kind: "identity-token"; readonly token: string };

/** Docker Hub's name in Docker's configuration and in credential helpers. */
export const DOCKER_HUB_SERVER = "https://index.docker.io/v1/";

const AUTHS = z.looseObject({
  auths: z
    .record(
      z.string(),
      z.looseObject({
        auth: z.string().optional(),
        username: z.string().optional(),
        password: z.string().optional(),
        identitytoken: z.string().optional(),
      }),
    )
    .nullish(),
});

/**
 * The credentials in the `auths` of a Docker config.json, by registry host. Entries without a usable
 * credential are left out; anything that is not such a file gives none.
 */
export function readAuths(config: unknown): Map<string, RegistryCredential> {
  const credentials = new Map<string, RegistryCredential>();
  const parsed = AUTHS.safeParse(config);
  for (const [server, entry] of Object.entries(parsed.data?.auths ?? {})) {
    const credential = credentialOf(entry);
    if (credential !== undefined) credentials.set(hostOfServer(server), credential);
  }
  return credentials;
}

function credentialOf(entry: {
  readonly auth?: string | undefined;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  readonly identitytoken?: string | undefined;
}): RegistryCredential | undefined {
  if (entry.identitytoken !== undefined && entry.identitytoken !== "") {
    return { kind: "identity-token", token: entry.identitytoken };
  }
  if (entry.auth !== undefined && entry.auth !== "") return decodeAuth(entry.auth);
  const { username, password } = entry;
  if (username === undefined || username === "" || password === undefined) return undefined;
  return { kind: "password", username, password };
}

/** Docker's `auth` member: base64 of `user:password`; old Docker padded it with NUL bytes. */
function decodeAuth(auth: string): RegistryCredential | undefined {
  const text = Buffer.from(auth, "base64").toString("utf8").replace(/\0+$/, "");
  const colon = text.indexOf(":");
  if (colon < 1) return undefined;
  return { kind: "password", username: text.slice(0, colon), password: text.slice(colon + 1) };
}

/**
 * Registry host of a key in Docker's configuration, which may be a host, a host with a path, or a
 * URL: `https://index.docker.io/v1/` is `docker.io`.
 */
export function hostOfServer(server: string): string {
  const host = server.replace(/^https?:\/\//, "").replace(/\/.*$/s, "");
  return host === "index.docker.io" || host === "registry-1.docker.io" ? "docker.io" : host;
}

/** Inverse of {@link hostOfServer} for what helpers and the engine expect. */
export function serverOfHost(host: string): string {
  return host === "docker.io" ? DOCKER_HUB_SERVER : host;
}

/** The engine's JSON for a credential. */
export function engineAuth(
  host: string,
  credential: RegistryCredential | undefined,
): Readonly<Record<string, string>> {
  if (credential === undefined) return {};
  const serveraddress = serverOfHost(host);
  return credential.kind === "password"
    ? { username: credential.username, password: credential.password, serveraddress }
    : { identitytoken: credential.token, serveraddress };
}

/**
 * A value for `X-Registry-Auth` or `X-Registry-Config`: base64url *with* padding. Engines before 23
 * take an unpadded header for an absent one and pull anonymously.
 */
export function encodeAuthHeader(value: unknown): string {
  const base64 = Buffer.from(JSON.stringify(value), "utf8").toString("base64");
  return base64.replaceAll("+", "-").replaceAll("/", "_");
}

/** Registers the secret of a credential. */
export function redactCredential(redactor: Redactor, credential: RegistryCredential): void {
  redactor.add(credential.kind === "password" ? credential.password : credential.token);
}
