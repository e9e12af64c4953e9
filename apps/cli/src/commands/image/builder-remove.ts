import { openBuildTools, tryEngine } from "../../compose-images.js";
import { CliError } from "../../errors.js";
import type { CommandResult } from "../../output/reporter.js";
import { requireLocal } from "../../remote/require-server.js";
import type { CommandContext } from "../../run-command.js";
import { requireBuildx } from "./require-buildx.js";

/** `image builder rm`: only what this program makes, which is told by the name. */
export async function builderRemove(
  context: CommandContext,
  names: readonly string[],
  options: { readonly keepCache?: boolean | undefined },
): Promise<CommandResult> {
  requireLocal(context, "image builder rm");
  const { removeBuilder } = await import("@molecule-ai/image-build");
  const { engine } = await tryEngine(context);
  try {
    const tools = await openBuildTools(context, engine);
    const { namespace, stateDirectory } = tools.settings;
    const buildx = requireBuildx(tools.buildx);
    const foreign = names.find((name) => !name.startsWith(`${namespace}-`));
    if (foreign !== undefined) {
      throw new CliError("ERR_CLI_USAGE", `The builder ${foreign} was not made here`, {
        hint: `Names of our own begin with ${namespace}-; remove others with docker buildx rm.`,
      });
    }
    const removed: string[] = [];
    const absent: string[] = [];
    for (const name of names) {
      const was = await removeBuilder({
        buildx,
        name,
        stateDirectory,
        keepCache: options.keepCache,
        signal: context.signal,
      });
      (was ? removed : absent).push(name);
    }
    if (removed.length === 0) {
      throw new CliError("ERR_CLI_BUILDER_NOT_FOUND", `There is no builder ${absent.join(", ")}`, {
        hint: "`image builder ls` lists those there are.",
      });
    }
    return {
      data: { removed, absent },
      text: () =>
        [
          ...removed.map((name) => `removed ${name}`),
          ...absent.map((name) => `there was no ${name}`),
        ].join("\n"),
    };
  } finally {
    await engine?.[Symbol.asyncDispose]();
  }
}
