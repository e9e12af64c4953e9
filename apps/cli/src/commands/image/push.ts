import { runStage } from "@molecule-ai/core";
import { openRegistries } from "../../compose-images.js";
import { openEngine } from "../../compose.js";
import { CliError } from "../../errors.js";
import type { CommandResult } from "../../output/reporter.js";
import { formatFields } from "../../output/table.js";
import { requireLocal } from "../../remote/require-server.js";
import type { CommandContext } from "../../run-command.js";

/** A tag at its registry, and who said its digest. */
export interface ProvenTag {
  readonly tag: string;
  readonly digest: string;
  readonly sources: readonly string[];
}

/** `image push`: tag by tag; the result has the digest that engine and registry agree on. */
export async function push(
  context: CommandContext,
  images: readonly string[],
  options: { readonly credentials?: string | undefined },
): Promise<CommandResult> {
  requireLocal(context, "image push");
  const { formatImageReference, parseImageReference } = await import("@molecule-ai/registry-mode");
  const tags = images.map((image) => {
    const reference = parseImageReference(image);
    if (reference.digest !== undefined) {
      throw new CliError("ERR_CLI_USAGE", `${image} is named by a digest and cannot be pushed`, {
        hint: "Push a tag of it; `image promote` copies by digest from registry to registry.",
      });
    }
    return formatImageReference({ ...reference, tag: reference.tag ?? "latest" });
  });
  await using registries = await openRegistries(context, tags, options.credentials);
  await using engine = await openEngine(context);
  const pushed = await pushAndProve(context, { engine, registries, tags });
  return {
    data: { pushed },
    text: (style) =>
      formatFields(pushed.map(({ tag, digest }) => [style.strong(tag), digest] as const)),
  };
}

/** Pushes from the engine, and looks at the registry afterwards. */
export async function pushAndProve(
  context: Pick<CommandContext, "signal" | "clock" | "onEvent">,
  parts: {
    readonly engine: Awaited<ReturnType<typeof openEngine>>;
    readonly registries: Awaited<ReturnType<typeof openRegistries>>;
    readonly tags: readonly string[];
  },
): Promise<readonly ProvenTag[]> {
  const { pushTags, resolvePublishedDigest } = await import("@molecule-ai/image-build");
  const { signal, clock, onEvent } = context;
  const { engine, registries, tags } = parts;
  return runStage(
    {
      stage: "push",
      subject: tags.join(", "),
      clock,
      onEvent,
      outcome: (done) => `${done.length} pushed`,
    },
    async () => {
      const pushed = await pushTags({
        engine,
        tags,
        credential: registries.credential,
        clock,
        signal,
        onEvent,
      });
      const proven = [];
      for (const { tag, digest: said } of pushed) {
        const { digest, sources } = await resolvePublishedDigest({
          tag,
          pushed: said,
          registry: registries.client,
          engine,
          clock,
          signal,
        });
        proven.push({ tag, digest, sources });
      }
      return proven;
    },
  );
}
