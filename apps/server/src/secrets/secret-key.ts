/** Length of a key of AES-256. */
export const KEY_BYTES = 32;

/**
 * Reads a key as people write it: 64 hexadecimal digits, 32 bytes in base64 or base64url (with or
 * without its `=`), or 32 printable ASCII characters that are the key themselves. The forms differ in
 * length, so a text is never two keys.
 *
 * @returns undefined for anything else.
 */
export function parseSecretsKey(text: string): Buffer | undefined {
  if (/^[0-9a-fA-F]{64}$/.test(text)) return Buffer.from(text, "hex");
  if (/^[\x20-\x7e]{32}$/.test(text)) return Buffer.from(text, "ascii");
  if (/^[A-Za-z0-9+/]{43}=?$/.test(text)) return exactBase64(text, "base64");
  if (/^[A-Za-z0-9_-]{43}=?$/.test(text)) return exactBase64(text, "base64url");
  return undefined;
}

/** Said of a text that is no key; the text itself is not repeated. */
export const SECRETS_KEY_RULE =
  "must be a key of 32 bytes: 64 hexadecimal digits, base64, base64url, or 32 ASCII characters";

/** Two texts of one key are one too many: what is left over in the last character must be zero. */
function exactBase64(text: string, encoding: "base64" | "base64url"): Buffer | undefined {
  const key = Buffer.from(text, encoding);
  const bare = text.replace("=", "");
  const isExact = key.length === KEY_BYTES && key.toString(encoding).replace("=", "") === bare;
  return isExact ? key : undefined;
}
