import * as Enums from "@cyclonedx/cyclonedx-library/Enums";
import * as Models from "@cyclonedx/cyclonedx-library/Models";
import * as Serialize from "@cyclonedx/cyclonedx-library/Serialize";
import * as Spec from "@cyclonedx/cyclonedx-library/Spec";
import type { Inventory, InventoryImage, InventoryPackage, Place } from "../inventory.js";
import { isCommitOrVersion } from "./component-version.js";
import type { CycloneDxOptions } from "./cyclonedx.js";
import { imagePurl, packagePurl } from "./purl.js";

/** Lengths of checksums in hexadecimal, by method; others have no name in CycloneDX. */
const HASHES: ReadonlyMap<string, { readonly name: string; readonly length: number }> = new Map(
  Object.entries({
    md5: { name: "MD5", length: 32 },
    sha1: { name: "SHA-1", length: 40 },
    sha256: { name: "SHA-256", length: 64 },
    sha384: { name: "SHA-384", length: 96 },
    sha512: { name: "SHA-512", length: 128 },
    blake3: { name: "BLAKE3", length: 64 },
  }),
);

type NamedValue = readonly [name: string, value: string | number | boolean | undefined];

/** The document of {@link CycloneDxOptions}; see `formatCycloneDx`. */
export function writeCycloneDx(inventory: Inventory, options: CycloneDxOptions): string {
  const components = [
    ...inventory.baseImages.map(imageComponent),
    ...inventory.packages.map(packageComponent),
  ];
  const image = new Models.Component(Enums.ComponentType.Container, options.name ?? "image", {
    bomRef: "image",
    ...defined("version", options.version),
    dependencies: new Models.BomRefRepository(components.map(({ bomRef }) => bomRef)),
  });
  const bom = new Models.Bom({
    components: new Models.ComponentRepository(components),
    metadata: new Models.Metadata({
      ...(options.timestamp === undefined ? {} : { timestamp: options.timestamp }),
      component: image,
      lifecycles: new Models.LifecycleRepository([Enums.LifecyclePhase.PreBuild]),
      properties: properties([
        ["source", "Dockerfile"],
        // What base images, lock files and scripts bring is not in a Dockerfile.
        ["complete", false],
      ]),
    }),
  });
  const factory = new Serialize.JSON.Normalize.Factory(Spec.Spec1dot6);
  const serializer = new Serialize.JsonSerializer(factory);
  return `${serializer.serialize(bom, { sortLists: true, space: 2 })}\n`;
}

function imageComponent(image: InventoryImage, index: number): Models.Component {
  return new Models.Component(Enums.ComponentType.Container, image.name || image.reference, {
    bomRef: `image-${index}`,
    group: `${image.registry}/${image.repository}`.split("/").slice(0, -1).join("/"),
    ...defined("version", image.tag ?? image.digest),
    ...defined("purl", imagePurl(image)),
    hashes: hashesOf(image.digest?.split(":")),
    properties: properties([
      ["reference", image.reference],
      ["via", image.via],
      ["platform", image.platform],
      ["pinned", image.pinned],
      ["pin-reason", image.pinReason],
      ...placed(image),
    ]),
  });
}

function packageComponent(item: InventoryPackage, index: number): Models.Component {
  const type = item.manager === "binary" ? Enums.ComponentType.File : Enums.ComponentType.Library;
  const url = item.resolvedUrl ?? item.url;
  const { verification } = item;
  return new Models.Component(type, item.name, {
    bomRef: `package-${index}`,
    ...defined("version", isCommitOrVersion(item) ? item.version : undefined),
    ...defined("purl", packagePurl(item)),
    hashes: hashesOf(verification && [verification.method, verification.value ?? ""]),
    externalReferences: new Models.ExternalReferenceRepository(
      url === undefined || !URL.canParse(url)
        ? []
        : [new Models.ExternalReference(url, Enums.ExternalReferenceType.Distribution)],
    ),
    properties: properties([
      ["manager", item.manager],
      ["requested", item.version],
      ["verified-by", verification?.method],
      ["pinned", item.pinned],
      ["pin-reason", item.pinReason],
      ...placed(item),
    ]),
  });
}

function hashesOf(written: readonly (string | undefined)[] | undefined): Models.HashDictionary {
  const [method = "", value = ""] = written ?? [];
  const hash = HASHES.get(method);
  const isWhole = hash?.length === value.length && /^[0-9a-fA-F]+$/.test(value);
  const algorithm = Object.values(Enums.HashAlgorithm).find((name) => name === hash?.name);
  return new Models.HashDictionary(
    isWhole && algorithm !== undefined ? [[algorithm, value.toLowerCase()]] : [],
  );
}

function properties(values: readonly NamedValue[]): Models.PropertyRepository {
  return new Models.PropertyRepository(
    values.flatMap(([name, value]) =>
      value === undefined ? [] : [new Models.Property(`molecule:${name}`, String(value))],
    ),
  );
}

function placed({ line, stage, stageIndex, final, ships }: Place): NamedValue[] {
  return [
    ["line", line],
    ["stage", stage || stageIndex],
    ["final", final],
    ["ships", ships],
  ];
}

function defined<K extends string>(name: K, value: string | undefined): Partial<Record<K, string>> {
  return value === undefined ? {} : ({ [name]: value } as Record<K, string>);
}
