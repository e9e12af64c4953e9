import type { InventoryPackage } from "../inventory.js";

/** Whether what is asked for is one version: a range or a branch is none. */
export function isCommitOrVersion({ version, pinReason }: InventoryPackage): boolean {
  if (version === undefined || version.includes("$")) return false;
  return pinReason === "exact-version" || pinReason === "digest" || pinReason === "checksum";
}
