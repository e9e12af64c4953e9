import type { Finding, InventoryPackage } from "../inventory.js";
import { finding } from "./rules.js";

const MAX_NAMES = 8;

/** One finding for each line and manager, however many packages it installs without a version. */
export function findInPackages(packages: readonly InventoryPackage[]): Finding[] {
  const groups = new Map<string, InventoryPackage[]>();
  for (const item of packages) {
    if (item.pinned || item.manager === "binary" || item.pinReason === "local") continue;
    const key = `${item.line} ${item.manager}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [item]);
    else group.push(item);
  }
  return [...groups.values()].flatMap((group) => {
    const [first] = group;
    if (first === undefined) return [];
    const names = group.slice(0, MAX_NAMES).map(({ name }) => name);
    const more = group.length - names.length;
    const rest = more > 0 ? ` and ${more} more` : "";
    const message = `${first.manager} takes any version of ${names.join(", ")}${rest}.`;
    return [finding("package-unpinned", message, first)];
  });
}
