import type { Place } from "../inventory.js";
import type { Reach } from "./reach.js";
import type { Stage } from "./stage.js";

/** Where a line of a stage is, and whether the build needs that stage. */
export type PlaceOf = (
  stage: Stage,
  line: number,
) => { readonly place: Place; readonly needed: boolean };

export function createPlaceOf({ target, ships, needed }: Reach): PlaceOf {
  return (stage, line) => ({
    place: {
      line,
      stage: stage.name ?? "",
      stageIndex: stage.index,
      final: stage === target,
      ships: ships[stage.index] ?? "no",
    },
    needed: needed[stage.index] === true,
  });
}
