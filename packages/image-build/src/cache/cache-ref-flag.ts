import { stripControlCharacters } from "@molecule-ai/core";
import { formatAttributes, type Attribute } from "../buildx/csv-attributes.js";
import { cacheSettingsError } from "./cache-settings-error.js";
import type { CacheRef } from "./cache-ref.js";

/** Attributes that buildx also takes from its environment, where other users cannot see them. */
const SECRET_ATTRIBUTES = new Set([
  "token",
  "secret_access_key",
  "session_token",
  "account_key",
  "password",
]);

const NAME = /^[a-z0-9][a-z0-9._-]{0,63}$/i;

/**
 * The value of `--cache-from` or `--cache-to`: CSV, as buildx reads it, attributes in the order of
 * their names. Throws `ERR_BUILD_CACHE_SETTINGS` for what cannot be written or must not be seen in a
 * list of processes.
 */
export function cacheRefFlag(ref: CacheRef): string {
  const { type, direction, mode, attributes = {} } = ref;
  const fields: readonly Attribute[] = [
    ["type", type],
    [placeName(type, direction), ref.ref === "" ? undefined : ref.ref],
    ["mode", mode],
    ...Object.entries(attributes).sort(([a], [b]) => (a < b ? -1 : 1)),
  ];
  for (const [name, value] of fields) refuseUnwritable(name, value ?? "");
  return formatAttributes(fields);
}

function placeName(type: string, direction: CacheRef["direction"]): string {
  if (type !== "local") return "ref";
  return direction === "import" ? "src" : "dest";
}

function refuseUnwritable(name: string, value: string): void {
  if (!NAME.test(name)) {
    throw cacheSettingsError(
      `${JSON.stringify(name.slice(0, 80))} is no attribute of a cache.`,
      "Attributes are words such as compression or ignore-error.",
    );
  }
  if (SECRET_ATTRIBUTES.has(name.toLowerCase())) {
    throw cacheSettingsError(
      `The cache attribute ${name} is a secret, and would be seen by every user of the machine.`,
      "Give it to buildx in its environment instead, for example AWS_SECRET_ACCESS_KEY.",
    );
  }
  if (/[\n\t]/.test(value) || stripControlCharacters(value) !== value) {
    throw cacheSettingsError(
      `The cache attribute ${name} holds a control character.`,
      "Remove it: it cannot be handed to buildx.",
    );
  }
}
