import { createCipheriv, createDecipheriv, createHash, randomBytes } from "node:crypto";
import { ServerError } from "../errors.js";
import { ensureKeyFile, readKeyFile } from "./key-file.js";
import { parseSecretsKey, SECRETS_KEY_RULE } from "./secret-key.js";

/** `encryption_version` of a value kept as it is, written by the platform before this one. */
export const PLAIN = 0;
/** `encryption_version` of nonce, AES-256-GCM ciphertext and tag. */
export const AES_256_GCM = 1;

const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** Where a value belongs. It is bound to this place: moved to another row it cannot be opened. */
export type SecretPlace =
  | { readonly scope: "global"; readonly key: string }
  | { readonly scope: "workspace"; readonly workspaceId: string; readonly key: string };

/** The columns of a stored value. */
export interface SealedSecret {
  readonly encryptedValue: Uint8Array;
  readonly encryptionVersion: number;
  /** Empty when nothing was encrypted. */
  readonly keyId: string;
}

/** Encrypts and decrypts stored secrets with the server's keys. */
export interface SecretBox {
  /** The key that seals; undefined when there is none, and nothing can be stored. */
  readonly keyId: string | undefined;
  /** @throws ServerError `ERR_SECRET_KEY_MISSING` */
  seal(value: string, place: SecretPlace): SealedSecret;
  /** Undefined when no key at hand opens it, or when it was changed or moved. */
  open(sealed: SealedSecret, place: SecretPlace): string | undefined;
}

/** A box that seals with the first key, and opens what any of them sealed. */
export function createSecretBox(keys: {
  readonly current: Buffer | undefined;
  readonly previous?: readonly Buffer[] | undefined;
}): SecretBox {
  const { current, previous = [] } = keys;
  const keyId = current === undefined ? undefined : identify(current);
  const keyById = new Map(
    [...previous, ...(current ? [current] : [])].map((k) => [identify(k), k]),
  );
  return {
    keyId,
    seal(value, place) {
      if (current === undefined || keyId === undefined) throw keyMissing();
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv("aes-256-gcm", current, nonce).setAAD(bindingOf(place));
      const encryptedValue = Buffer.concat([
        nonce,
        cipher.update(value, "utf8"),
        cipher.final(),
        cipher.getAuthTag(),
      ]);
      return { encryptedValue, encryptionVersion: AES_256_GCM, keyId };
    },
    open(sealed, place) {
      const bytes = Buffer.from(sealed.encryptedValue);
      if (sealed.encryptionVersion === PLAIN) return bytes.toString("utf8");
      const key = keyById.get(sealed.keyId);
      if (sealed.encryptionVersion !== AES_256_GCM || key === undefined) return undefined;
      if (bytes.length < NONCE_BYTES + TAG_BYTES) return undefined;
      const end = bytes.length - TAG_BYTES;
      const decipher = createDecipheriv("aes-256-gcm", key, bytes.subarray(0, NONCE_BYTES), {
        authTagLength: TAG_BYTES,
      })
        .setAAD(bindingOf(place))
        .setAuthTag(bytes.subarray(end));
      try {
        const plain = [decipher.update(bytes.subarray(NONCE_BYTES, end)), decipher.final()];
        return Buffer.concat(plain).toString("utf8");
      } catch {
        // The tag does not match, which is all that GCM can say.
        return undefined;
      }
    },
  };
}

export interface OpenSecretBoxOptions {
  /** `SECRETS_ENCRYPTION_KEY`. */
  readonly secretsKey: string | undefined;
  /** `SECRETS_ENCRYPTION_KEY_PREVIOUS`. */
  readonly previousSecretsKey: string | undefined;
  /**
   * State directory of an embedded database, whose lock the caller holds: without `secretsKey` the
   * key is kept in there. Undefined when the database is somewhere else: a key beside this process
   * would be unknown to the others.
   */
  readonly keyDirectory: string | undefined;
}

/**
 * The box of this server. A key once kept in the state directory still opens what it sealed after
 * `SECRETS_ENCRYPTION_KEY` was set.
 *
 * @throws ServerError `ERR_SERVER_CONFIG` for a text or a file that is no key.
 */
export async function openSecretBox(options: OpenSecretBoxOptions): Promise<SecretBox> {
  const { keyDirectory } = options;
  const given = parseGiven("SECRETS_ENCRYPTION_KEY", options.secretsKey);
  const before = parseGiven("SECRETS_ENCRYPTION_KEY_PREVIOUS", options.previousSecretsKey);
  const previous = before === undefined ? [] : [before];
  if (keyDirectory === undefined) return createSecretBox({ current: given, previous });
  if (given === undefined) {
    return createSecretBox({ current: await ensureKeyFile(keyDirectory), previous });
  }
  const kept = await readKeyFile(keyDirectory);
  return createSecretBox({
    current: given,
    previous: kept === undefined ? previous : [...previous, kept],
  });
}

function parseGiven(name: string, text: string | undefined): Buffer | undefined {
  if (text === undefined) return undefined;
  const key = parseSecretsKey(text);
  if (key !== undefined) return key;
  throw new ServerError("ERR_SERVER_CONFIG", `Unusable settings: ${name} ${SECRETS_KEY_RULE}`, {
    hint: "Make one with `openssl rand -base64 32`.",
  });
}

function identify(key: Buffer): string {
  return createHash("sha256")
    .update("molecule secrets key\0")
    .update(key)
    .digest("hex")
    .slice(0, 12);
}

function bindingOf(place: SecretPlace): Buffer {
  const workspaceId = place.scope === "workspace" ? place.workspaceId.toLowerCase() : "";
  return Buffer.from(JSON.stringify(["molecule secret", place.scope, workspaceId, place.key]));
}

function keyMissing(): ServerError {
  return new ServerError("ERR_SECRET_KEY_MISSING", "This server has no key to keep secrets with.", {
    hint: "Set SECRETS_ENCRYPTION_KEY on every server process, for example to the output of `openssl rand -base64 32`.",
  });
}
