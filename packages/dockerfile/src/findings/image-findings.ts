import type { Finding, InventoryImage } from "../inventory.js";
import { shownText } from "../output/shown-text.js";
import { finding } from "./rules.js";

/** Base images that may be another image tomorrow. */
export function findInImages(images: readonly InventoryImage[]): Finding[] {
  return images.flatMap((image) => {
    const { pinReason, via, reference, unresolved = [] } = image;
    // The frontend is a tool of the builder; following its minor versions is what it is made for.
    if (image.pinned || via === "syntax") return [];
    const name = shownText(reference);
    switch (pinReason) {
      case "moving-name":
        return [finding("base-latest", `${name} means whatever is newest.`, image)];
      case "unknown": {
        const names = unresolved.map((variable) => shownText(variable)).join(", ");
        const message = `${name} depends on ${names}, which has no value here.`;
        return [finding("base-unresolved", message, image)];
      }
      default:
        return [finding("base-unpinned", `${name} is not pinned to a digest.`, image)];
    }
  });
}
