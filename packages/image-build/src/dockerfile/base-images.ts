import { extractInventory } from "@molecule-ai/dockerfile";
import type { DockerfileOutline } from "./dockerfile-outline.js";

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
  { source, stages }: DockerfileOutline,
  { buildArgs, target }: BaseImageOptions,
): readonly BaseImage[] {
  if (stages.length > MAX_STAGES || !hasTarget(stages, target)) return [];
  const found = new Map<string, BaseImage>();
  const { baseImages } = extractInventory(source, { buildArgs, target });
  for (const { reference, platform, line, needed, unresolved } of baseImages) {
    const key = `${platform ?? ""} ${reference}`;
    if (!needed || unresolved !== undefined || found.has(key)) continue;
    found.set(key, { reference, platform, line });
  }
  return [...found.values()].toSorted((a, b) => a.line - b.line);
}

function hasTarget(stages: DockerfileOutline["stages"], target: string | undefined): boolean {
  if (target === undefined || stages.some(({ name }) => name === target.toLowerCase())) return true;
  return /^\d{1,3}$/.test(target) && Number(target) < stages.length;
}
