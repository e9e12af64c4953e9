import { openBuildTools, tryEngine } from "../../compose-images.js";
import type { CommandResult } from "../../output/reporter.js";
import { formatTable } from "../../output/table.js";
import { requireLocal } from "../../remote/require-server.js";
import type { CommandContext } from "../../run-command.js";
import { requireBuildx } from "./require-buildx.js";

/** `image builder ls` */
export async function builderList(context: CommandContext): Promise<CommandResult> {
  requireLocal(context, "image builder ls");
  const { listBuilders } = await import("@molecule-ai/image-build");
  const { engine } = await tryEngine(context);
  try {
    const { buildx, settings } = await openBuildTools(context, engine);
    const builders = await listBuilders({ buildx: requireBuildx(buildx), signal: context.signal });
    const isOwn = (name: string): boolean => name.startsWith(`${settings.namespace}-`);
    const shown = builders.map((builder) => ({ ...builder, own: isOwn(builder.name) }));
    return {
      data: { builders: shown },
      text: (style) =>
        shown.length === 0
          ? "There are no builders."
          : formatTable(
              shown,
              [
                { title: "BUILDER", cell: ({ name }) => name },
                { title: "DRIVER", cell: ({ driver }) => driver || "-" },
                { title: "STATUS", cell: (one) => one.error ?? (one.nodes[0]?.status || "-") },
                { title: "BUILDKIT", cell: ({ nodes }) => nodes[0]?.buildkitVersion ?? "-" },
                { title: "ENDPOINT", cell: ({ nodes }) => nodes[0]?.endpoint || "-" },
                { title: "MADE HERE", cell: ({ own }) => (own ? "yes" : "no") },
              ],
              style.strong,
            ),
    };
  } finally {
    await engine?.[Symbol.asyncDispose]();
  }
}
