import type { Inventory } from "../inventory.js";

export interface CycloneDxOptions {
  /** Name of the image that the Dockerfile makes. Default `image`. */
  readonly name?: string | undefined;
  /** Its tag or digest. */
  readonly version?: string | undefined;
  /** When the document is made; without it equal inventories give equal documents. */
  readonly timestamp?: Date | undefined;
}

/**
 * The inventory as CycloneDX 1.6 in JSON: the image, and as its components the base images, packages
 * and downloads. Ranges and moving names are no versions; they stand in a property. The library that
 * writes it is loaded by the first call.
 */
export async function formatCycloneDx(
  inventory: Inventory,
  options: CycloneDxOptions = {},
): Promise<string> {
  const { writeCycloneDx } = await import("./cyclonedx-document.js");
  return writeCycloneDx(inventory, options);
}
