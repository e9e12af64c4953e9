import {
  bodyOf,
  readDockerfile,
  type DockerfileInstruction as Parsed,
} from "@molecule-ai/dockerfile";

/** One instruction of a Dockerfile. */
export interface DockerfileInstruction {
  /** Upper case. */
  readonly keyword: string;
  /** Its first line, from 1. */
  readonly line: number;
  /** As written, on one line, continuations joined. */
  readonly text: string;
}

export interface DockerfileStage {
  readonly name: string | undefined;
  readonly from: DockerfileInstruction;
  /** The image or stage it starts from, as written. */
  readonly base: string;
  readonly instructions: readonly DockerfileInstruction[];
}

/** What is where in a Dockerfile. */
export interface DockerfileOutline {
  /** The Dockerfile itself. */
  readonly source: string;
  /** All instructions in their order, also those before the first FROM. */
  readonly instructions: readonly DockerfileInstruction[];
  readonly stages: readonly DockerfileStage[];
  /** The frontend asked for by a `# syntax=` line. */
  readonly syntax: string | undefined;
  readonly lines: number;
}

/** Instructions that BuildKit counts in `[stage 2/5]`, besides FROM. */
const COUNTED = new Set(["RUN", "COPY", "ADD", "WORKDIR"]);

const MAX_TEXT_LENGTH = 1000;

/** Longer ones are not worth the time: nobody wrote them. */
const MAX_DOCKERFILE_LENGTH = 128 * 1024;

/** Undefined when nothing can be made of the text; the engine will say why. */
export function outlineDockerfile(text: string): DockerfileOutline | undefined {
  if (text.length > MAX_DOCKERFILE_LENGTH) return undefined;
  try {
    return outline(text);
  } catch {
    return undefined;
  }
}

function outline(text: string): DockerfileOutline {
  const { instructions: read, syntax, lines } = readDockerfile(text);
  const instructions: DockerfileInstruction[] = [];
  const stages: (DockerfileStage & { readonly instructions: DockerfileInstruction[] })[] = [];
  for (const parsed of read) {
    const instruction = describeInstruction(parsed);
    instructions.push(instruction);
    if (parsed.keyword === "FROM") {
      const [base = "", as, name] = bodyOf(parsed).split(/\s+/);
      stages.push({
        name: as?.toUpperCase() === "AS" ? name?.toLowerCase() : undefined,
        from: instruction,
        base,
        instructions: [],
      });
    } else {
      stages.at(-1)?.instructions.push(instruction);
    }
  }
  return { source: text, instructions, stages, syntax: syntax?.image, lines };
}

function describeInstruction({ keyword, line, source }: Parsed): DockerfileInstruction {
  const text = source.text.replace(/\s+/g, " ").trim().slice(0, MAX_TEXT_LENGTH);
  return { keyword, line, text };
}

/** A step's name as builders print it, taken apart. */
export interface StepName {
  /** `base` of `[linux/amd64 base 2/5]`; empty in a Dockerfile of one unnamed stage. */
  readonly stage: string;
  /** `linux/amd64`, or `linux/amd64->linux/arm64`; set when several platforms are built. */
  readonly platform: string | undefined;
  /** From 1. */
  readonly index: number;
  readonly total: number;
  /** The instruction, variables filled in. */
  readonly text: string;
}

/** Reads `[stage 2/5] RUN …`; undefined for what is no instruction, such as `[internal] …`. */
export function parseStepName(name: string): StepName | undefined {
  const found = /^\[([^\]]{0,200}?) *(\d{1,6})\/(\d{1,6})\] (.*)$/s.exec(name);
  if (found === null) return undefined;
  const [, before = "", index, total, text = ""] = found;
  const words = before.split(" ").filter((word) => word !== "");
  return {
    // No stage can have a slash in its name, and every platform has one.
    stage: words.findLast((word) => !word.includes("/")) ?? "",
    platform: words.find((word) => word.includes("/")),
    index: Number(index),
    total: Number(total),
    text,
  };
}

/** The instruction a BuildKit step stands for; undefined when that is not certain. */
export function findStep(
  outline: DockerfileOutline,
  step: StepName,
): DockerfileInstruction | undefined {
  const keyword = keywordOf(step.text);
  for (const [index, stage] of outline.stages.entries()) {
    const name = stage.name ?? (outline.stages.length > 1 ? `stage-${index}` : "");
    if (name !== step.stage) continue;
    const counted = stage.instructions.filter((instruction) => COUNTED.has(instruction.keyword));
    // FROM is a step of its own unless the stage starts from scratch or from another stage; the
    // triggers of a base image (ONBUILD) make any other difference, and then no count is certain.
    const offset = step.total - counted.length;
    if (offset !== 0 && offset !== 1) break;
    const found = offset === 1 && step.index === 1 ? stage.from : counted[step.index - 1 - offset];
    if (found?.keyword === keyword) return found;
  }
  return onlyOne(outline.instructions, (instruction) => sameText(instruction.text, step.text));
}

/** The instruction of the classic builder's `Step n/m`; undefined when that is not certain. */
export function findClassicStep(
  outline: DockerfileOutline,
  step: Pick<StepName, "index" | "text">,
): DockerfileInstruction | undefined {
  const found = outline.instructions[step.index - 1];
  return found?.keyword === keywordOf(step.text) ? found : undefined;
}

/** The FROM that names `reference` (as the engine writes it, `docker.io/library/` in front). */
export function findBase(
  outline: DockerfileOutline,
  reference: string,
): DockerfileInstruction | undefined {
  const written = outline.stages.filter((stage) => isSameImage(stage.base, reference));
  if (written[0] !== undefined) return written[0].from;
  const names = new Set(outline.stages.map((stage) => stage.name));
  const variable = outline.stages.filter(
    (stage) => stage.base.includes("$") && !names.has(stage.base),
  );
  return variable.length === 1 ? variable[0]?.from : undefined;
}

/** Whether two ways of writing mean the same image, digests left aside. */
export function isSameImage(a: string, b: string): boolean {
  return shortReference(a) === shortReference(b);
}

function shortReference(reference: string): string {
  return reference
    .trim()
    .replace(/^docker\.io\//, "")
    .replace(/^library\//, "")
    .replace(/@sha256:.*$/, "")
    .replace(/:latest$/, "");
}

function keywordOf(text: string): string {
  return (/^\s*([a-z]{1,20})/i.exec(text)?.[1] ?? "").toUpperCase();
}

function sameText(a: string, b: string): boolean {
  const plain = (text: string): string =>
    text
      .replace(/[\s\\]+/g, " ")
      .trim()
      .slice(0, MAX_TEXT_LENGTH)
      .toLowerCase();
  return plain(a) === plain(b);
}

function onlyOne<T>(items: readonly T[], matches: (item: T) => boolean): T | undefined {
  const found = items.filter(matches);
  return found.length === 1 ? found[0] : undefined;
}
