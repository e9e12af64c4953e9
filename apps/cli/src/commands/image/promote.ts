import { runStage } from "@molecule-ai/core";
import { openRegistries } from "../../compose-images.js";
import type { CommandResult } from "../../output/reporter.js";
import { formatFields } from "../../output/table.js";
import { requireLocal } from "../../remote/require-server.js";
import type { CommandContext } from "../../run-command.js";

export interface PromoteCommandOptions {
  readonly credentials?: string | undefined;
  readonly referrers: boolean;
}

/** `image promote`: the digest that the source has now is what every target gets. */
export async function promote(
  context: CommandContext,
  source: string,
  targets: readonly string[],
  options: PromoteCommandOptions,
): Promise<CommandResult> {
  requireLocal(context, "image promote");
  const [{ copyImage, resolvePublishedDigest }, { formatImageReference, parseImageReference }] =
    await Promise.all([import("@molecule-ai/image-build"), import("@molecule-ai/registry-mode")]);
  const from = parseImageReference(source);
  for (const target of targets) parseImageReference(target);
  const { signal, clock, onEvent } = context;
  // The credentials of a target are not for the eyes of another registry.
  await using registries = await openRegistries(context, targets, options.credentials);
  const registry = registries.client;
  const { digest } = await resolvePublishedDigest({
    tag: source,
    registry,
    attempts: 1,
    clock,
    signal,
  });
  const pinned = formatImageReference({ ...from, tag: undefined, digest });
  await runStage(
    {
      stage: "push",
      subject: `${source} to ${targets.join(", ")}`,
      clock,
      onEvent,
      outcome: () => `${targets.length} promoted`,
    },
    async () => {
      for (const target of targets) {
        await copyImage({
          registry,
          source: pinned,
          target,
          referrers: options.referrers,
          signal,
          onEvent,
        });
      }
    },
  );
  return {
    data: { source, digest, targets },
    text: (style) => formatFields(targets.map((target) => [style.strong(target), digest] as const)),
  };
}
