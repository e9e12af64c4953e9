import { createHash, randomBytes } from "node:crypto";

const TOKEN_BYTES = 32;
const TOKEN = /^[A-Za-z0-9_-]{43}$/;

/** A new bearer token: 256 random bits in 43 characters that need no quoting anywhere. */
export function createTokenText(): string {
  return randomBytes(TOKEN_BYTES).toString("base64url");
}

/** False for what this server cannot have issued. */
export function isTokenText(text: string): boolean {
  return TOKEN.test(text);
}

/** What is stored of a token: it cannot be turned back, because the token is random. */
export function hashToken(text: string): Buffer {
  return createHash("sha256").update(text, "utf8").digest();
}

/** The part of a token that may be shown, to tell it from others. */
export function prefixOf(text: string): string {
  return text.slice(0, 8);
}

/**
 * The token of an `Authorization: Bearer` header; undefined when there is no such header or it is of
 * another scheme. A token with a space or other impossible character comes back as it is, and is
 * refused like any that is unknown.
 */
export function parseBearer(header: string | undefined): string | undefined {
  const match = /^bearer +(\S.*)$/i.exec(header ?? "");
  return match?.[1]?.trimEnd();
}
