import type { Challenge } from "@molecule-ai/registry-mode";
import type { Dispatcher } from "undici";
import { z } from "zod";
import type { RegistryCredential } from "../credential.js";
import { invalidAnswer, RegistryError } from "../errors.js";
import type { ResolvedRegistryClientOptions } from "../options.js";
import { coversScopes, formatScope, mergeScopes, parseScopes, type Scope } from "../scope.js";
import { statusError } from "./failures.js";
import { isLoopback, type RegistryAddress } from "./registry-address.js";
import { readRefusal, type RefusalReader } from "./refusal.js";
import { readBody } from "./read-body.js";
import { sendHttp } from "./http.js";

/** What stands in the Authorization header, and whether it tells who we are. */
export interface Authorization {
  readonly header: string;
  readonly hasCredential: boolean;
}

/** Knows how each registry wants to be told who asks, and keeps its tokens. */
export interface Authorizer {
  /** What is known to be good for this registry and these scopes; undefined to ask without. */
  known(address: RegistryAddress, scopes: readonly Scope[]): Authorization | undefined;
  /**
   * The answer to a 401: undefined when there is none, because the registry says nothing we
   * understand or wants a credential that we do not have. Throws when the token service refuses.
   */
  answer(
    address: RegistryAddress,
    challenges: readonly Challenge[],
    scopes: readonly Scope[],
    signal: AbortSignal | undefined,
  ): Promise<Authorization | undefined>;
}

interface Token extends Authorization {
  readonly scopes: readonly Scope[];
  readonly expiresAt: number;
}

/** A token is not used any more this long before its end. */
const TOKEN_MARGIN_MS = 10_000;
/** What the specification says of a token that names no end. */
const DEFAULT_TOKEN_SECONDS = 60;
const MOST_TOKENS_PER_HOST = 64;
const MAX_TOKEN_BYTES = 256 * 1024;

const TOKEN = z.looseObject({
  token: z.string().nullish(),
  access_token: z.string().nullish(),
  expires_in: z.number().nullish(),
});

export function createAuthorizer(
  dispatcher: Dispatcher,
  options: ResolvedRegistryClientOptions,
): Authorizer {
  const { clock, redactor } = options;
  const basics = new Map<string, Authorization>();
  const tokens = new Map<string, Token[]>();
  const refusals: RefusalReader = { redactor, clock };

  const keep = (host: string, token: Token): void => {
    const now = clock.now();
    const others = (tokens.get(host) ?? []).filter(
      ({ expiresAt, scopes }) => expiresAt > now && !coversScopes(token.scopes, scopes),
    );
    tokens.set(host, [...others, token].slice(-MOST_TOKENS_PER_HOST));
  };

  const fetchToken = async (
    address: RegistryAddress,
    realm: URL,
    service: string | undefined,
    scopes: readonly Scope[],
    credential: RegistryCredential | undefined,
    signal: AbortSignal | undefined,
  ): Promise<Token> => {
    const subject = `token for ${scopes.map(formatScope).join(" ") || "the registry"}`;
    const { host } = address;
    const question = tokenQuestion(realm, service, scopes, credential);
    const { token, seconds } = await sendHttp(
      dispatcher,
      { ...question, host, subject, timeoutMs: options.timeoutMs, signal },
      async (answer, progress) => {
        if (answer.statusCode !== 200) {
          const about = { host, subject, hadCredential: credential !== undefined };
          throw statusError(await readRefusal(answer, about, refusals));
        }
        const bytes = await readBody(answer.body, MAX_TOKEN_BYTES, progress);
        return parseToken(bytes, host, subject);
      },
    );
    redactor.add(token);
    return {
      header: `Bearer ${token}`,
      hasCredential: credential !== undefined,
      scopes,
      expiresAt: clock.now() + seconds * 1000 - TOKEN_MARGIN_MS,
    };
  };

  return {
    known(address, scopes) {
      const now = clock.now();
      return (
        basics.get(address.host) ??
        tokens
          .get(address.host)
          ?.findLast((token) => token.expiresAt > now && coversScopes(token.scopes, scopes))
      );
    },
    async answer(address, challenges, scopes, signal) {
      const { host } = address;
      // What was refused is not tried again.
      basics.delete(host);
      tokens.set(
        host,
        (tokens.get(host) ?? []).filter((token) => !coversScopes(token.scopes, scopes)),
      );
      const bearer = challenges.find(({ scheme }) => scheme === "bearer");
      const basic = challenges.find(({ scheme }) => scheme === "basic");
      if (bearer === undefined && basic === undefined) return undefined;
      const credential = await options.credentials(host, { signal });
      if (credential !== undefined) {
        redactor.add(credential.kind === "password" ? credential.password : credential.token);
      }
      if (bearer !== undefined) {
        const realm = realmOf(address, bearer, options.insecureHosts);
        const wanted = mergeScopes([
          ...scopes,
          ...parseScopes(bearer.parameters.get("scope") ?? ""),
        ]);
        const service = bearer.parameters.get("service");
        const token = await fetchToken(address, realm, service, wanted, credential, signal);
        keep(host, token);
        return token;
      }
      if (credential?.kind !== "password") return undefined;
      const authorization = { header: basicHeader(credential), hasCredential: true };
      basics.set(host, authorization);
      return authorization;
    },
  };
}

/**
 * Where a registry's tokens come from. A registry with TLS may not have our credentials sent
 * without; one of this machine may name only this machine.
 */
function realmOf(
  { host, isInsecure }: RegistryAddress,
  challenge: Challenge,
  insecureHosts: ReadonlySet<string>,
): URL {
  const text = challenge.parameters.get("realm") ?? "";
  const realm = URL.canParse(text) ? new URL(text) : undefined;
  if (realm?.protocol === "https:") return realm;
  if (realm?.protocol === "http:" && isInsecure) {
    if (isLoopback(realm.host) || insecureHosts.has(realm.host)) return realm;
  }
  throw new RegistryError(
    "ERR_REGISTRY_REDIRECT_REFUSED",
    `${host} names a token service that credentials are not sent to: ${realm?.origin ?? "an invalid address"}.`,
    { hint: "Tokens come from https addresses only.", details: { host } },
  );
}

function tokenQuestion(
  realm: URL,
  service: string | undefined,
  scopes: readonly Scope[],
  credential: RegistryCredential | undefined,
): {
  readonly method: "GET" | "POST";
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Buffer;
} {
  const url = new URL(realm);
  url.username = "";
  url.password = "";
  if (credential?.kind === "identity-token") {
    const form = new URLSearchParams({
      grant_type: "refresh_token",
      client_id: "molecule",
      refresh_token: credential.token,
      scope: scopes.map(formatScope).join(" "),
      ...(service === undefined ? {} : { service }),
    });
    return {
      method: "POST",
      url,
      headers: { "content-type": "application/x-www-form-urlencoded" },
      body: Buffer.from(form.toString()),
    };
  }
  if (service !== undefined) url.searchParams.set("service", service);
  for (const scope of scopes) url.searchParams.append("scope", formatScope(scope));
  return {
    method: "GET",
    url,
    headers: credential === undefined ? {} : { authorization: basicHeader(credential) },
  };
}

function basicHeader(credential: { readonly username: string; readonly password: string }): string {
  return `Basic ${Buffer.from(`${credential.username}:${credential.password}`).toString("base64")}`;
}

function parseToken(
  bytes: Buffer | undefined,
  host: string,
  subject: string,
): { readonly token: string; readonly seconds: number } {
  let json: unknown;
  try {
    json = JSON.parse(bytes?.toString("utf8") ?? "");
  } catch {
    // Without the parser's error: it quotes the answer, which may hold the token.
    throw invalidAnswer(host, subject, "the token service did not answer with JSON");
  }
  const parsed = TOKEN.safeParse(json);
  const token = parsed.data?.token ?? parsed.data?.access_token ?? "";
  if (!/^[!-~]+$/.test(token)) {
    throw invalidAnswer(host, subject, "the token service gave no token");
  }
  const seconds = parsed.data?.expires_in ?? DEFAULT_TOKEN_SECONDS;
  return { token, seconds: Math.max(seconds, DEFAULT_TOKEN_SECONDS) };
}
