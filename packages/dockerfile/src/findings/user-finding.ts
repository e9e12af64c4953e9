import type { Finding } from "../inventory.js";
import { shownText } from "../output/shown-text.js";
import type { Stage } from "../stages/stage.js";
import { finding } from "./rules.js";

/** Whether the image that is built runs its programs as root, as far as that can be told. */
export function findRootUser(stages: readonly Stage[], target: Stage | undefined): Finding[] {
  if (target === undefined) return [];
  for (
    let stage: Stage | undefined = target;
    stage !== undefined;
    stage = parentOf(stage, stages)
  ) {
    const step = stage.steps.findLast(({ instruction }) => instruction.keyword === "USER");
    if (step === undefined) continue;
    const user = step.args[0]?.text ?? "";
    const [name] = user.split(":");
    if (name !== "root" && name !== "0") return [];
    const place = { line: step.instruction.line, stageIndex: stage.index };
    return [finding("root-user", `The image runs as ${shownText(user)}.`, place)];
  }
  const origin = originOf(target, stages);
  const place = { line: target.from.line, stageIndex: target.index };
  if (origin.base.reference === "scratch") {
    return [finding("root-user", "The image runs as root: it has no USER.", place)];
  }
  const base = shownText(origin.base.reference);
  const message = `There is no USER, so the image runs as the user of ${base}, which mostly is root.`;
  return [finding("root-user", message, place)];
}

function parentOf(stage: Stage, stages: readonly Stage[]): Stage | undefined {
  return stage.base.stage === undefined ? undefined : stages[stage.base.stage];
}

/** The stage at the bottom of the chain of FROM. */
function originOf(target: Stage, stages: readonly Stage[]): Stage {
  let stage = target;
  for (let next = parentOf(stage, stages); next !== undefined; next = parentOf(stage, stages)) {
    stage = next;
  }
  return stage;
}
