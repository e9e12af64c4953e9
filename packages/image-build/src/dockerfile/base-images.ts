import type {
  DockerfileInstruction,
  DockerfileOutline,
  DockerfileStage,
} from "./dockerfile-outline.js";

/** An image a build takes from outside. */
export interface BaseImage {
  readonly reference: string;
  /** As the Dockerfile asks for it; undefined means the platform of the build. */
  readonly platform: string | undefined;
  readonly line: number;
}

export interface BaseImageOptions {
  readonly buildArgs?: Readonly<Record<string, string>> | undefined;
  readonly target?: string | undefined;
}

const MAX_STAGES = 200;

/**
 * The images that a build up to its target needs: of FROM, of `--from=` and of `# syntax=`. Those
 * whose name depends on what only the builder knows are left out.
 */
export function findBaseImages(
  outline: DockerfileOutline,
  options: BaseImageOptions,
): readonly BaseImage[] {
  const variables = globalArguments(outline, options.buildArgs ?? {});
  const { stages } = outline;
  if (stages.length > MAX_STAGES) return [];
  const found = new Map<string, BaseImage>();
  const add = (
    written: string | undefined,
    instruction: DockerfileInstruction,
    platform?: string,
  ): void => {
    const reference = written === undefined ? undefined : expand(written, variables);
    if (reference === undefined || reference === "" || reference === "scratch") return;
    const asked = platform === undefined ? undefined : expand(platform, variables);
    if (platform !== undefined && asked === undefined) return;
    const key = `${asked ?? ""} ${reference}`;
    if (!found.has(key)) found.set(key, { reference, platform: asked, line: instruction.line });
  };

  const visited = new Set<number>();
  const visit = (index: number): void => {
    const stage = stages[index];
    if (stage === undefined || visited.has(index)) return;
    visited.add(index);
    const parent = stageNamed(stages, expand(stage.base, variables) ?? stage.base, index);
    if (parent === undefined)
      add(stage.base, stage.from, /\s--platform=(\S+)/.exec(stage.from.text)?.[1]);
    else visit(parent);
    for (const instruction of stage.instructions) {
      for (const source of sourcesOf(instruction)) {
        const other = /^\d+$/.test(source) ? Number(source) : stageNamed(stages, source, index);
        if (other === undefined) add(source, instruction);
        else if (other < index) visit(other);
      }
    }
  };
  visit(targetIndex(stages, options.target));

  const images = [...found.values()];
  if (outline.syntax === undefined) return images;
  return [{ reference: outline.syntax, platform: undefined, line: 1 }, ...images];
}

function targetIndex(stages: readonly DockerfileStage[], target: string | undefined): number {
  if (target === undefined) return stages.length - 1;
  if (/^\d+$/.test(target)) return Number(target);
  return stages.findIndex(({ name }) => name === target.toLowerCase());
}

/** The last stage of that name before `index`. */
function stageNamed(
  stages: readonly DockerfileStage[],
  name: string,
  index: number,
): number | undefined {
  const found = stages.slice(0, index).findLastIndex((stage) => stage.name === name.toLowerCase());
  return found === -1 ? undefined : found;
}

/** What `COPY --from=` and `RUN --mount=…,from=` name. */
function sourcesOf({ keyword, text }: DockerfileInstruction): string[] {
  const flags = /^\w+((?:\s+--\S+)*)/.exec(text)?.[1] ?? "";
  const pattern = keyword === "COPY" ? /\s--from=(\S+)/g : /\s--mount=(?:\S*,)?from=([^,\s]+)/g;
  if (keyword !== "COPY" && keyword !== "RUN") return [];
  return [...flags.matchAll(pattern)].flatMap(([, source]) =>
    source === undefined ? [] : [source],
  );
}

/** The ARGs before the first FROM, which are all that FROM can see. */
function globalArguments(
  outline: DockerfileOutline,
  given: Readonly<Record<string, string>>,
): ReadonlyMap<string, string> {
  const variables = new Map<string, string>();
  for (const { keyword, text } of outline.instructions) {
    if (keyword === "FROM") break;
    if (keyword !== "ARG") continue;
    for (const [, name = "", written] of text.slice(3).matchAll(/\s([A-Za-z_]\w*)(?:=(\S*))?/g)) {
      const value =
        given[name] ?? (written === undefined ? undefined : expand(unquote(written), variables));
      if (value !== undefined) variables.set(name, value);
    }
  }
  return variables;
}

/** Undefined when a variable has no value here. */
function expand(text: string, variables: ReadonlyMap<string, string>): string | undefined {
  let known = true;
  const expanded = text.replace(
    /\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)(?::([-+])([^{}]*))?\})/g,
    (_, plain?: string, braced?: string, operator?: string, word = "") => {
      const value = variables.get(plain ?? braced ?? "");
      const isSet = value !== undefined && value !== "";
      if (operator === "-") return isSet ? value : word;
      if (operator === "+") return isSet ? word : "";
      if (value === undefined) known = false;
      return value ?? "";
    },
  );
  return known && !expanded.includes("$") ? expanded : undefined;
}

function unquote(text: string): string {
  return /^(["']).*\1$/.test(text) ? text.slice(1, -1) : text;
}
