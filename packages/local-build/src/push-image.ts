import type { DockerEngine } from "@molecule-ai/docker-engine";
import { pushTags, type PublishEvent } from "@molecule-ai/image-build";
import { runtimeImage, type ResolvedImage } from "@molecule-ai/registry-mode";
import type { EnsureRun } from "./ensure-run.js";
import type { PushedImage } from "./push-record.js";

/** An image that starts again has waited for its registry once already. */
const ATTEMPTS = { present: 1, made: 3 } as const;

/**
 * Stage `push`: the image of a commit to the operator's registry, where a machine in registry mode
 * finds it, as its commit and, when the head is followed, as `latest`. What was pushed already is not
 * pushed again. Resolves to its digest there.
 *
 * A registry that does not take it stops no workspace: then there is a warning and no digest, and the
 * next start of the same image tries again.
 */
export async function pushImage(
  run: EnsureRun,
  prefix: string,
  sha: string,
  image: Pick<ResolvedImage, "imageId" | "outcome">,
): Promise<string | undefined> {
  const { pushes, settings } = run.dependencies;
  const latest = runtimeImage(prefix, run.runtime);
  const ref = `${latest.slice(0, -":latest".length)}:${sha.slice(0, 12)}`;
  const wanted = run.request.follows ? [ref, latest] : [ref];
  const isDone = (known: ReadonlyMap<string, PushedImage>): boolean =>
    wanted.every((tag) => known.get(tag)?.imageId === image.imageId);
  const before = await pushes.read(run.runtime);
  if (isDone(before)) return before.get(ref)?.digest;

  await using _lock = await run.lock();
  const known = await pushes.read(run.runtime);
  if (isDone(known)) return known.get(ref)?.digest;
  return await run.stage(
    "push",
    {
      subject: ref,
      timeoutMs: settings.timeouts.buildMs,
      outcome: (digest) => (digest === undefined ? "refused" : "pushed"),
    },
    async (signal, progress) => {
      try {
        const pushed = await pushAs(run, image, wanted, { signal, progress });
        // Without the record it is pushed again, which costs little.
        await pushes.add(run.runtime, pushed).catch(() => undefined);
        const digest = pushed.get(ref)?.digest;
        if (digest !== undefined) await recordPush(run, image.imageId, ref, digest);
        return digest;
      } catch (error) {
        run.signal.throwIfAborted();
        run.warn("WARN_LOCAL_BUILD_PUSH", `The image could not be pushed as ${ref}`, error);
        return undefined;
      }
    },
  );
}

/** What is known of the image goes where it went. */
async function recordPush(
  run: EnsureRun,
  imageId: string,
  ref: string,
  digest: string,
): Promise<void> {
  const reference = `${ref.slice(0, ref.lastIndexOf(":"))}@${digest}`;
  try {
    await run.dependencies.recorder?.pushed(imageId, reference, { signal: run.signal });
  } catch (error) {
    run.signal.throwIfAborted();
    run.warn("WARN_LOCAL_BUILD_RECORD", `How ${reference} was built is not beside it`, error);
  }
}

/** The engine pushes only what has the name; afterwards the name is whose it was before. */
async function pushAs(
  run: EnsureRun,
  { imageId, outcome }: Pick<ResolvedImage, "imageId" | "outcome">,
  tags: readonly string[],
  { signal, progress }: { readonly signal: AbortSignal; readonly progress: () => void },
): Promise<Map<string, PushedImage>> {
  const { engine, clock } = run.dependencies;
  const onEvent = (event: PublishEvent): void => {
    progress();
    if (event.type === "push.layer" || event.type === "warning") run.onEvent(event);
  };
  const before = new Map<string, string | undefined>();
  try {
    for (const tag of tags) {
      before.set(tag, (await engine.images.inspect(tag, { signal }))?.id);
      await engine.images.tag(imageId, tag, { signal });
    }
    const attempts = ATTEMPTS[outcome === "present" ? "present" : "made"];
    const pushed = await pushTags({ engine, tags, attempts, clock, signal, onEvent });
    return new Map(pushed.map(({ tag, digest }) => [tag, { imageId, digest }]));
  } finally {
    await giveBack(engine, imageId, before).catch(() => undefined);
  }
}

/**
 * Every name goes from the image before others get theirs back: a tag that is only moved would leave
 * it its digest in the repository, and so it would stay on the engine for good.
 */
async function giveBack(
  engine: DockerEngine,
  imageId: string,
  before: ReadonlyMap<string, string | undefined>,
): Promise<void> {
  const moved = [...before].filter(([, previous]) => previous !== imageId);
  for (const [tag] of moved) await engine.images.remove(tag);
  for (const [tag, previous] of moved) {
    if (previous !== undefined) await engine.images.tag(previous, tag);
  }
}
