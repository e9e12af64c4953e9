import { openRegistries, tryEngine } from "../../compose-images.js";
import type { CommandResult } from "../../output/reporter.js";
import { requireLocal } from "../../remote/require-server.js";
import type { CommandContext } from "../../run-command.js";

/** `image digest`: what the registry says, and the engine where it cannot be asked. */
export async function digest(
  context: CommandContext,
  reference: string,
  options: { readonly credentials?: string | undefined },
): Promise<CommandResult> {
  requireLocal(context, "image digest");
  const { resolvePublishedDigest } = await import("@molecule-ai/image-build");
  await using registries = await openRegistries(context, [reference], options.credentials);
  const { engine } = await tryEngine(context);
  try {
    const found = await resolvePublishedDigest({
      tag: reference,
      registry: registries.client,
      engine,
      attempts: 1,
      clock: context.clock,
      signal: context.signal,
    });
    return {
      data: { reference, digest: found.digest, sources: found.sources },
      text: () => found.digest,
    };
  } finally {
    await engine?.[Symbol.asyncDispose]();
  }
}
