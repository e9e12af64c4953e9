import type { PackageManager, Pin, PinReason, Verification } from "../inventory.js";
import type { Argument } from "../shell/argument.js";

/** What one program installs. */
export type Found =
  | ({
      readonly kind: "package";
      readonly manager: PackageManager;
      readonly name: string;
      readonly version?: string | undefined;
      readonly url?: string | undefined;
      readonly resolvedUrl?: string | undefined;
      readonly verification?: Verification | undefined;
    } & Pin)
  | {
      readonly kind: "file";
      readonly manager: PackageManager;
      readonly path: string;
      readonly locked: boolean;
    };

export const PINNED: ReadonlySet<PinReason> = new Set([
  "digest",
  "checksum",
  "exact-version",
  "variable-version",
]);

export function pin(pinReason: PinReason): Pin {
  return { pinned: PINNED.has(pinReason), pinReason };
}

/** A package of which only the name is given. */
export function unversioned(manager: PackageManager, name: string): Found {
  return { kind: "package", manager, name, ...pin(name.includes("$") ? "unknown" : "no-version") };
}

/** A package of exactly that version, as far as it is known; of none when it is empty. */
export function exactly(manager: PackageManager, name: string, version: string): Found {
  if (version === "") return unversioned(manager, name);
  const reason = version.includes("$") ? "variable-version" : "exact-version";
  return { kind: "package", manager, name, version, ...pin(reason) };
}

/** A package whose version is one of several, or moves. */
export function loosely(
  manager: PackageManager,
  name: string,
  version: string,
  reason: PinReason,
): Found {
  return { kind: "package", manager, name, version, ...pin(reason) };
}

/** A path in the build context or an archive, not the name of a package. */
export function isLocalPath({ text }: Argument): boolean {
  return /^(?:\.{0,2}\/|\.{1,2}$|~|file:)/.test(text);
}

export function isUrl(text: string): boolean {
  return /^[a-z][a-z0-9+.-]{0,20}:\/\//i.test(text);
}
