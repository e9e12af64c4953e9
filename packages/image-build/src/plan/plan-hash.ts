import { createHash } from "node:crypto";
import { posix } from "node:path";
import { planContext } from "../context/context-plan.js";
import { packContext } from "../context/context-tar.js";
import { DEFAULT_BUILD_LIMITS, DEFAULT_DOCKERFILE } from "../options.js";

/** One image of a plan. */
export interface PlanStep {
  readonly name: string;
  readonly dockerfile: string;
  readonly context: string;
  readonly target?: string | undefined;
  readonly platforms?: readonly string[] | undefined;
  readonly buildArgs?: Readonly<Record<string, string>> | undefined;
  /** Of {@link digestContext}: then the hash also tells other files under the same name. */
  readonly contentDigest?: string | undefined;
}

/**
 * SHA-256 in hex of all that decides what is built: not tags, registries or labels, and not the time
 * in `BUILD_DATE`. Order of platforms and arguments does not matter.
 */
export function hashPlan(steps: readonly PlanStep[]): string {
  const hash = createHash("sha256");
  for (const step of steps) {
    const platforms = [...(step.platforms ?? [])].sort(compareBytes);
    const args = Object.entries(step.buildArgs ?? {})
      .filter(([name]) => name !== "BUILD_DATE")
      .sort(([a], [b]) => compareBytes(a, b));
    const lines = [
      `step:${step.name}`,
      `dockerfile:${posix.normalize(step.dockerfile)}`,
      `context:${posix.normalize(step.context)}`,
      ...(step.target === undefined || step.target === "" ? [] : [`target:${step.target}`]),
      ...(platforms.length === 0 ? [] : [`platforms:${platforms.join(",")}`]),
      ...args.map(([name, value]) => `arg:${name}=${value}`),
      ...(step.contentDigest === undefined ? [] : [`content:${step.contentDigest}`]),
    ];
    for (const line of lines) hash.update(`${escapeLine(line)}\n`);
  }
  return hash.digest("hex");
}

/**
 * `sha256:` of exactly what a build would be sent of a directory: the ignore file is honoured, times
 * and owners do not count. Throws as a build does for a context that cannot be used.
 */
export async function digestContext(options: {
  readonly path: string;
  readonly dockerfile?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}): Promise<string> {
  const { path, dockerfile = DEFAULT_DOCKERFILE, signal } = options;
  const plan = await planContext({
    path,
    dockerfile,
    maxBytes: DEFAULT_BUILD_LIMITS.contextBytes,
    maxFiles: DEFAULT_BUILD_LIMITS.contextFiles,
    signal,
  });
  const hash = createHash("sha256");
  for await (const chunk of packContext(plan, 0)) {
    signal?.throwIfAborted();
    hash.update(chunk as Buffer);
  }
  return `sha256:${hash.digest("hex")}`;
}

function compareBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

/** A line end inside a value would make it look like a line of its own. */
function escapeLine(line: string): string {
  return line.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
}
