import { DockerfileError } from "../errors.js";
import type { Stage } from "./stage.js";

/**
 * How much of a stage is in the image that is built: all of it, what `COPY --from` takes out of it,
 * or nothing.
 */
export type Ships = "yes" | "partly" | "no";

export interface Reach {
  /** The stage that becomes the image; undefined when there is no stage at all. */
  readonly target: Stage | undefined;
  /** By stage index. */
  readonly ships: readonly Ships[];
  /** Whether the build of the target needs the stage at all, by stage index. */
  readonly needed: readonly boolean[];
}

/**
 * What becomes of each stage when `target` (a name or a number, the last stage by default) is built.
 *
 * @throws DockerfileError `ERR_DOCKERFILE_TARGET`
 */
export function reachOf(stages: readonly Stage[], target: string | undefined): Reach {
  const ships = stages.map((): Ships => "no");
  const needed = stages.map(() => false);
  const last = findTarget(stages, target);
  const open: Stage[] = [];
  const visit = (index: number | undefined, how: Ships): void => {
    const stage = index === undefined ? undefined : stages[index];
    if (stage === undefined) return;
    const known = ships[stage.index] ?? "no";
    if (needed[stage.index] === true && rank(how) <= rank(known)) return;
    needed[stage.index] = true;
    if (rank(how) > rank(known)) ships[stage.index] = how;
    open.push(stage);
  };
  visit(last?.index, "yes");
  for (let stage = open.pop(); stage !== undefined; stage = open.pop()) {
    const how = ships[stage.index] ?? "no";
    visit(stage.base.stage, how);
    for (const { instruction, sources } of stage.steps) {
      const taken = instruction.keyword === "COPY" && how !== "no" ? "partly" : "no";
      for (const source of sources) visit(source.stage, taken);
    }
  }
  return { target: last, ships, needed };
}

function rank(ships: Ships): number {
  return ships === "yes" ? 2 : ships === "partly" ? 1 : 0;
}

function findTarget(stages: readonly Stage[], target: string | undefined): Stage | undefined {
  if (target === undefined || stages.length === 0) return stages.at(-1);
  const found =
    stages.findLast(({ name }) => name === target.toLowerCase()) ??
    (/^\d{1,4}$/.test(target) ? stages[Number(target)] : undefined);
  if (found !== undefined) return found;
  const names = stages.flatMap(({ name }) => name ?? []).slice(0, 20);
  throw new DockerfileError("ERR_DOCKERFILE_TARGET", `The Dockerfile has no stage ${target}.`, {
    hint:
      names.length === 0
        ? "Leave the target out: no stage has a name."
        : `Name one of its stages: ${names.join(", ")}.`,
  });
}
