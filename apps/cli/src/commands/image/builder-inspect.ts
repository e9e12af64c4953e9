import { openBuildTools, tryEngine } from "../../compose-images.js";
import { CliError } from "../../errors.js";
import type { CommandResult } from "../../output/reporter.js";
import { requireLocal } from "../../remote/require-server.js";
import type { CommandContext } from "../../run-command.js";
import { requireBuildx } from "./require-buildx.js";

/** `image builder inspect`: as it is; nothing is started. */
export async function builderInspect(
  context: CommandContext,
  name: string,
): Promise<CommandResult> {
  requireLocal(context, "image builder inspect");
  const { inspectBuilder, renderBuilder } = await import("@molecule-ai/image-build");
  const { engine } = await tryEngine(context);
  try {
    const { buildx } = await openBuildTools(context, engine);
    const builder = await inspectBuilder({
      buildx: requireBuildx(buildx),
      name,
      signal: context.signal,
    });
    if (builder === undefined) {
      throw new CliError("ERR_CLI_BUILDER_NOT_FOUND", `There is no builder ${name}`, {
        hint: "`image builder ls` lists those there are.",
      });
    }
    return { data: { builder }, text: () => renderBuilder(builder).trimEnd() };
  } finally {
    await engine?.[Symbol.asyncDispose]();
  }
}
