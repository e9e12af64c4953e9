import type { InventoryImage, InventoryLineage, Pin, Place } from "../inventory.js";
import type { Dockerfile, DockerfileInstruction } from "../reading/dockerfile.js";
import type { PlaceOf } from "../stages/place.js";
import type { ImageSource, Stage } from "../stages/stage.js";
import { distributionOf } from "./distribution.js";
import { splitImageName, splitTag } from "./image-name.js";

interface Use {
  readonly via: InventoryImage["via"];
  readonly reference: string;
  readonly missing: readonly string[];
  readonly platform?: string | undefined;
  readonly place: Place;
  readonly needed: boolean;
  readonly sourceRef: string;
}

/** Every image from outside that the Dockerfile names, once for each place that asks for it. */
export function listImages(
  { syntax }: Dockerfile,
  stages: readonly Stage[],
  placeOf: PlaceOf,
): InventoryImage[] {
  const images: InventoryImage[] = [];
  const add = (use: Use): void => {
    if (use.reference !== "" && use.reference !== "scratch") images.push(describe(use));
  };
  if (syntax !== undefined) {
    add({
      via: "syntax",
      reference: syntax.image,
      missing: [],
      place: { line: syntax.line, stage: "", final: false, ships: "no" },
      needed: true,
      sourceRef: `# syntax=${syntax.image}`,
    });
  }
  for (const stage of stages) {
    const { needed } = placeOf(stage, stage.from.line);
    const use = (
      via: Use["via"],
      { reference, missing }: ImageSource,
      { line }: DockerfileInstruction,
    ): Omit<Use, "platform" | "sourceRef"> => {
      const { place } = placeOf(stage, line);
      const ships =
        via === "mount" ? "no" : via === "copy" && place.ships === "yes" ? "partly" : place.ships;
      return { via, reference, missing, place: { ...place, ships }, needed };
    };
    if (stage.base.stage === undefined) {
      const { platform, base, from } = stage;
      add({
        ...use("from", base, from),
        missing: [...base.missing, ...(platform?.missing ?? [])],
        platform: platform?.text,
        sourceRef: `FROM ${base.reference}`,
      });
    }
    for (const { instruction, sources } of stage.steps) {
      for (const source of sources) {
        if (source.stage !== undefined) continue;
        const isCopy = instruction.keyword === "COPY";
        const flag = isCopy ? "COPY --from=" : "RUN --mount=from=";
        add({
          ...use(isCopy ? "copy" : "mount", source, instruction),
          sourceRef: flag + source.reference,
        });
      }
    }
  }
  return images;
}

function describe({
  via,
  reference,
  missing,
  platform,
  place,
  needed,
  sourceRef,
}: Use): InventoryImage {
  const { registry, repository, name, tag, digest } = splitImageName(reference);
  const { version, suffix } = splitTag(tag ?? "");
  return {
    manager: "base",
    via,
    reference,
    registry,
    repository,
    name,
    ...(tag === undefined ? {} : { tag }),
    ...(digest === undefined ? {} : { digest }),
    ...(version === "" ? {} : { version }),
    ...(suffix === "" ? {} : { suffix }),
    ...(platform === undefined ? {} : { platform }),
    ...(missing.length === 0 ? {} : { unresolved: [...new Set(missing)] }),
    ...pinOf(tag, digest, reference, missing),
    needed,
    ...place,
    sourceRef,
    confidence: "inferred",
  };
}

function pinOf(
  tag: string | undefined,
  digest: string | undefined,
  reference: string,
  missing: readonly string[],
): Pin {
  if (digest !== undefined) return { pinned: true, pinReason: "digest" };
  if (missing.length > 0 && reference.includes("$")) return { pinned: false, pinReason: "unknown" };
  if (tag === undefined || tag === "latest") return { pinned: false, pinReason: "moving-name" };
  return { pinned: false, pinReason: "tag" };
}

/** The distributions that tags of `FROM` name behind their version. */
export function listLineage(images: readonly InventoryImage[]): InventoryLineage[] {
  return images.flatMap(({ via, suffix = "", stage, final }) => {
    const distribution = via === "from" ? distributionOf(suffix) : undefined;
    return distribution === undefined ? [] : [{ ...distribution, stage, final }];
  });
}
