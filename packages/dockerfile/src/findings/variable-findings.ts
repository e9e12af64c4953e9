import type { Finding } from "../inventory.js";
import type { Stage, StagedDockerfile, Step } from "../stages/stage.js";
import { isSecretName, isSecretValue } from "../variables/secret-names.js";
import { shownText } from "../output/shown-text.js";
import { finding } from "./rules.js";

/** ARG and ENV that look like secrets; their values are not told. */
export function findInVariables({ globals, stages }: StagedDockerfile): Finding[] {
  const own = globals.flatMap((step) => findInStep(step, undefined));
  return [
    ...own,
    ...stages.flatMap((stage) => stage.steps.flatMap((step) => findInStep(step, stage))),
  ];
}

function findInStep({ instruction, assignments }: Step, stage: Stage | undefined): Finding[] {
  const { keyword, line } = instruction;
  return assignments.flatMap(({ name, value = "", written = "" }) => {
    const isArgument = keyword === "ARG";
    const byName = isSecretName(name) && (isArgument || value !== "");
    if (!byName && !isSecretValue(written) && !hasPassword(written)) return [];
    const rule = isArgument ? "secret-in-arg" : "secret-in-env";
    const because = byName ? "is named like a secret" : "has a value that looks like a secret";
    const place = { line, stageIndex: stage?.index };
    return [finding(rule, `${keyword} ${shownText(name)} ${because}.`, place)];
  });
}

/** `https://user:password@host` */
export function hasPassword(text: string): boolean {
  return text.includes("@") && /:\/\/[^\s/?#@:$]{0,200}:[^\s/?#@$]{1,200}@/.test(text);
}
