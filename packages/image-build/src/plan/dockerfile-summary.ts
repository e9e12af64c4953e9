import { outlineDockerfile } from "../dockerfile/dockerfile-outline.js";

/** What a plan needs to know of a Dockerfile. */
export interface DockerfileSummary {
  readonly stages: readonly {
    /** Lower case; empty for a stage without a name. */
    readonly name: string;
    /** As written: an image, or an earlier stage. */
    readonly baseImage: string;
    readonly line: number;
  }[];
  /** Names of all build arguments, once each, in their order. */
  readonly args: readonly string[];
  /** As written: `8080`, `9090/tcp`. */
  readonly expose: readonly string[];
  /** What follows HEALTHCHECK, unless it is NONE. */
  readonly healthcheck: string | undefined;
}

/** Empty for a text that nothing can be made of; the builder will say why. */
export function summarizeDockerfile(text: string): DockerfileSummary {
  const outline = outlineDockerfile(text);
  const instructions = outline?.instructions ?? [];
  const restsOf = (keyword: string): readonly string[] =>
    instructions
      .filter((instruction) => instruction.keyword === keyword)
      .map((instruction) => instruction.text.slice(keyword.length).trim());
  const healthcheck = restsOf("HEALTHCHECK").at(-1);
  return {
    stages: (outline?.stages ?? []).map(({ name = "", base, from }) => ({
      name,
      baseImage: base,
      line: from.line,
    })),
    args: [...new Set(restsOf("ARG").flatMap(argumentNames))],
    expose: restsOf("EXPOSE").flatMap((rest) => rest.split(/\s+/)),
    healthcheck: healthcheck?.toUpperCase() === "NONE" ? undefined : healthcheck,
  };
}

function argumentNames(rest: string): readonly string[] {
  return [...` ${rest}`.matchAll(/\s([A-Za-z_]\w*)(?==|\s|$)/g)].map(([, name = ""]) => name);
}
