import { DockerfileError } from "../errors.js";
import { readDownloads } from "../managers/downloads.js";
import {
  bodyOf,
  flagOf,
  type Dockerfile,
  type DockerfileInstruction,
} from "../reading/dockerfile.js";
import { splitWords } from "../reading/words.js";
import { readRun } from "../shell/run-commands.js";
import { programName, SHELLS } from "../shell/wrappers.js";
import { readAssignments } from "../variables/assignments.js";
import { expand, type Expansion } from "../variables/expand.js";
import { createExpansionBudget } from "../variables/expansion-budget.js";
import { createScope, type Scope } from "../variables/scope.js";
import { isSecretName } from "../variables/secret-names.js";
import type { Assignment, ImageSource, Stage, StagedDockerfile, Step } from "./stage.js";

export type BuildArguments = Readonly<Record<string, string>>;

const MAX_STAGES = 1000;
/** What BuildKit knows without being told; FROM sees these, a stage must declare them. */
const PREDEFINED = /^(?:TARGET|BUILD)(?:PLATFORM|OS|ARCH|VARIANT)$/;

/** What a stage hands on to those that start from it. */
interface StageState {
  readonly scope: Scope;
  readonly shellForm: boolean;
}

/**
 * Goes through a Dockerfile as a builder does, variables filled in where they stand. Values of
 * variables that look like secrets are never filled in.
 */
export function readStages(dockerfile: Dockerfile, given: BuildArguments): StagedDockerfile {
  const { escape } = dockerfile;
  const budget = createExpansionBudget();
  const global = createScope();
  const stages: (Stage & { readonly steps: Step[] })[] = [];
  const globals: Step[] = [];
  const states: StageState[] = [];
  const names = new Map<string, number>();
  let scope = global;
  let shellForm = true;

  const argument = (name: string): string | undefined =>
    Object.hasOwn(given, name) ? given[name] : undefined;

  const fill = (text: string, quotes = true): Expansion => {
    if (budget.left <= 0) return { text, found: [], missing: [text] };
    const filled = expand(text, (name) => (isSecretName(name) ? undefined : scope.lookup(name)), {
      escape,
      quotes,
    });
    budget.left -= filled.text.length;
    return filled;
  };

  const fillForFrom = (text: string): Expansion =>
    expand(
      text,
      (name) =>
        isSecretName(name)
          ? undefined
          : (global.lookup(name) ?? (PREDEFINED.test(name) ? argument(name) : undefined)),
      { escape },
    );

  const sourceOf = (written: string, { text, missing }: Expansion): ImageSource => {
    const number = /^\d{1,4}$/.test(text) ? Number(text) : undefined;
    const current = stages.length - 1;
    const numbered = number !== undefined && number < current ? number : undefined;
    const stage = names.get(text.toLowerCase()) ?? numbered;
    return { written, reference: text, missing, stage };
  };

  const assign = (instruction: DockerfileInstruction): readonly Assignment[] =>
    readAssignments(instruction, escape).map(({ name, value: written }) => {
      const filled = written === undefined ? undefined : fill(written);
      const value = filled === undefined ? undefined : filled.text;
      const isKnown = filled !== undefined && filled.missing.length === 0;
      if (instruction.keyword === "ENV") scope.setEnvironment(name, isKnown ? value : undefined);
      else {
        const inherited = scope === global ? undefined : global.lookup(name);
        const fallback = written === undefined ? (inherited ?? scope.lookup(name)) : undefined;
        scope.setArgument(name, argument(name) ?? (isKnown ? value : fallback));
      }
      return { name, written, value };
    });

  const beginStage = (instruction: DockerfileInstruction): void => {
    if (stages.length >= MAX_STAGES) {
      throw new DockerfileError(
        "ERR_DOCKERFILE_TOO_LARGE",
        `The Dockerfile has more than the ${MAX_STAGES} stages that are read.`,
        { hint: "Split it into several Dockerfiles." },
      );
    }
    const words = splitWords(bodyOf(instruction), escape).map(({ text }) => text);
    const written = words[0] ?? "";
    const filled = fillForFrom(written);
    const parent = filled.text === "scratch" ? undefined : names.get(filled.text.toLowerCase());
    const platform = flagOf(instruction, "platform");
    const name = words[1]?.toUpperCase() === "AS" ? words[2]?.toLowerCase() : undefined;
    const index = stages.length;
    const inherited = parent === undefined ? undefined : states[parent];
    scope = inherited === undefined ? createScope() : inherited.scope.inherit();
    shellForm = inherited?.shellForm ?? true;
    states.push({ scope, shellForm });
    stages.push({
      index,
      name,
      from: instruction,
      base: { written, reference: filled.text, missing: filled.missing, stage: parent },
      platform: platform === undefined ? undefined : fillForFrom(platform),
      steps: [],
    });
    if (name !== undefined) names.set(name, index);
  };

  const readStep = (instruction: DockerfileInstruction): Step => {
    const { keyword } = instruction;
    const isCopy = keyword === "COPY" || keyword === "ADD";
    if (keyword === "SHELL") {
      shellForm = SHELLS.has(programName(instruction.execForm?.[0] ?? "sh"));
      states[stages.length - 1] = { scope, shellForm };
    }
    const programs =
      keyword === "RUN"
        ? readRun(instruction, {
            lookup: (name) => (isSecretName(name) ? undefined : scope.lookup(name)),
            budget,
            shellForm,
          })
        : [];
    return {
      instruction,
      programs,
      downloads: readDownloads(programs),
      assignments: keyword === "ARG" || keyword === "ENV" ? assign(instruction) : [],
      sources: writtenSources(instruction).map((written) => sourceOf(written, fill(written))),
      args:
        isCopy || keyword === "USER"
          ? (instruction.execForm?.map((text) => fill(text, false)) ??
            splitWords(bodyOf(instruction), escape).map(({ text }) => fill(text)))
          : [],
    };
  };

  for (const instruction of dockerfile.instructions) {
    if (instruction.keyword === "FROM") {
      beginStage(instruction);
      continue;
    }
    const step = readStep(instruction);
    const stage = stages.at(-1);
    if (stage === undefined) globals.push(step);
    else stage.steps.push(step);
  }
  return { globals, stages };
}

/** What `COPY --from=` and `RUN --mount=…,from=` name, as written. */
function writtenSources({ keyword, flags }: DockerfileInstruction): string[] {
  if (keyword === "COPY") {
    const from = flags.findLast(({ name }) => name === "from")?.value ?? "";
    return from === "" ? [] : [from];
  }
  if (keyword !== "RUN") return [];
  return flags
    .filter(({ name }) => name === "mount")
    .flatMap(({ value }) => value.split(","))
    .flatMap((option) => (/^from=./i.test(option) ? [option.slice("from=".length)] : []));
}
