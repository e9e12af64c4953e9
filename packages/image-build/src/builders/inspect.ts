import type { Buildx } from "../buildx/buildx.js";
import { ImageBuildError } from "../errors.js";
import { checkBuilderName, runBuilderCommand } from "./builder-command.js";
import type { BuilderInfo } from "./builder-info.js";
import { parseInspect } from "./parse-inspect.js";

export interface InspectBuilderOptions {
  readonly buildx: Buildx;
  readonly name: string;
  readonly signal: AbortSignal;
  /** Default 30 seconds; without `bootstrap` buildx gives a silent daemon up after 20. */
  readonly timeoutMs?: number | undefined;
}

const DEFAULT_TIMEOUT_MS = 30_000;

/**
 * What buildx knows of a builder; it is neither started nor changed. Undefined when there is none of
 * that name. A daemon that does not answer is a status, not an error. Throws `ERR_BUILDER`,
 * `ERR_BUILDX_MISSING`, `ERR_DEADLINE`.
 */
export async function inspectBuilder(
  options: InspectBuilderOptions,
): Promise<BuilderInfo | undefined> {
  const answer = await inspectWith(options, []);
  if (answer.kind === "found") return answer.info;
  if (answer.kind === "absent") return undefined;
  throw new ImageBuildError(
    "ERR_BUILDER",
    `The builder ${options.name} cannot be inspected: ${answer.complaint}.`,
    { hint: `See what buildx itself says: docker buildx inspect ${options.name}` },
  );
}

export type InspectAnswer =
  | { readonly kind: "found"; readonly info: BuilderInfo }
  | { readonly kind: "absent" }
  | { readonly kind: "failed"; readonly complaint: string };

/** Starts the builder first when it does not run. */
export function bootstrapBuilder(options: InspectBuilderOptions): Promise<InspectAnswer> {
  return inspectWith(options, ["--bootstrap"]);
}

async function inspectWith(
  options: InspectBuilderOptions,
  flags: readonly string[],
): Promise<InspectAnswer> {
  const { buildx, name, signal } = options;
  checkBuilderName(name);
  const { succeeded, stdout, complaint, isUnknown } = await runBuilderCommand(buildx, {
    args: ["inspect", ...flags, name],
    what: flags.length > 0 ? `The start of the builder ${name}` : `Inspecting the builder ${name}`,
    timeoutMs: options.timeoutMs ?? DEFAULT_TIMEOUT_MS,
    signal,
  });
  if (succeeded) {
    const info = parseInspect(stdout);
    return { kind: "found", info: { ...info, name: info.name || name } };
  }
  return isUnknown ? { kind: "absent" } : { kind: "failed", complaint };
}
