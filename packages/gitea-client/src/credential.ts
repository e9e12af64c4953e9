import { GiteaError } from "./errors.js";

/** What proves to the server who asks. Sent as a header only, and to one origin only. */
export type GiteaCredential =
  | { readonly kind: "token"; readonly token: string }
  | { readonly kind: "password"; readonly username: string; readonly password: string };

const VISIBLE_ASCII = /^[!-~]+$/;

/**
 * A token without the white space around it; undefined for none. `origin` is where it came from.
 *
 * @throws `ERR_GITEA_TOKEN_INVALID` when it cannot be sent in a header.
 */
export function parseToken(text: string | undefined, origin: string): GiteaCredential | undefined {
  const token = text?.trim() ?? "";
  if (token === "") return undefined;
  if (!VISIBLE_ASCII.test(token)) {
    throw new GiteaError(
      "ERR_GITEA_TOKEN_INVALID",
      `${origin} holds characters no token has (white space, control or non-ASCII characters).`,
      { hint: "Copy the token again: one line, nothing before or after it." },
    );
  }
  return { kind: "token", token };
}

/**
 * The credential in the userinfo of a URL; undefined for none. A lone user name, `oauth2:<token>` and
 * `<token>:x-oauth-basic` are tokens, anything else is a user name with a password.
 *
 * @throws `ERR_GITEA_TOKEN_INVALID`
 */
export function credentialOfUrl(url: string): GiteaCredential | undefined {
  if (!URL.canParse(url)) return undefined;
  const parsed = new URL(url);
  const username = decodeUserinfo(parsed.username);
  const password = decodeUserinfo(parsed.password);
  if (username === "" && password === "") return undefined;
  const origin = "The userinfo of the repository URL";
  if (password === "" || password === "x-oauth-basic") return parseToken(username, origin);
  if (username === "" || username === "oauth2") return parseToken(password, origin);
  return { kind: "password", username, password };
}

/** Value of the Authorization header for the API. */
export function apiAuthorization(credential: GiteaCredential): string {
  return credential.kind === "token" ? `token ${credential.token}` : gitAuthorization(credential);
}

/** Value of the Authorization header for git over HTTP, where servers know Basic only. */
export function gitAuthorization(credential: GiteaCredential): string {
  const pair =
    credential.kind === "token"
      ? `oauth2:${credential.token}`
      : `${credential.username}:${credential.password}`;
  return `Basic ${Buffer.from(pair, "utf8").toString("base64")}`;
}

/** What a redactor has to mask for this credential. */
export function credentialSecret(credential: GiteaCredential): string {
  return credential.kind === "token" ? credential.token : credential.password;
}

function decodeUserinfo(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
