import {
  imagePinsFromEnv,
  pinnedImage,
  runtimeImage,
  type Environment,
  type ImagePins,
  type RegistryChoice,
  type RuntimeRegistry,
} from "@molecule-ai/registry-mode";
import { eq } from "drizzle-orm";
import type { Database } from "../store/database.js";
import { imagePins } from "../store/schema.js";

/**
 * The digests that runtimes are held to now: those of the store over those of `MOLECULE_IMAGE_PINS`;
 * none at all with `WORKSPACE_IMAGE_LOCAL_OVERRIDE=1`.
 */
export async function readImagePins(
  db: Database,
  { env, runtimes }: { readonly env: Environment; readonly runtimes: RuntimeRegistry },
): Promise<ImagePins> {
  const pins = new Map(imagePinsFromEnv(env, runtimes));
  if (env["WORKSPACE_IMAGE_LOCAL_OVERRIDE"] === "1") return pins;
  for (const { runtime, digest } of await db.select().from(imagePins)) pins.set(runtime, digest);
  return pins;
}

/**
 * The image that the store pins a runtime to, as a reference to be asked for explicitly; undefined
 * when it pins none, and where images are built here: a build has no digest to be held to.
 */
export async function readPinnedImage(
  db: Database,
  {
    runtime,
    registry,
    env,
  }: {
    readonly runtime: string;
    readonly registry: RegistryChoice;
    readonly env: Environment;
  },
): Promise<string | undefined> {
  if (registry.kind === "local-build") return undefined;
  if (env["WORKSPACE_IMAGE_LOCAL_OVERRIDE"] === "1") return undefined;
  const [pin] = await db.select().from(imagePins).where(eq(imagePins.runtime, runtime));
  return pin && pinnedImage(runtimeImage(registry.prefix, runtime), pin.digest);
}
