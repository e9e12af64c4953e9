import {
  formatImageReference,
  parseImageReference,
  type ImageReference,
} from "@molecule-ai/registry-mode";
import { detectProvider } from "./provider.js";
import { normalizeRegistryHost } from "./registry-host.js";

/** Where an image is to be published. */
export interface RegistryTarget {
  /** Host, with or without a scheme; a path in it stands before `path`. */
  readonly url: string;
  readonly path: string;
  readonly tags: readonly string[];
  /** What the variables of its credential begin with; see {@link credentialOfPrefix}. */
  readonly credentials?: string | undefined;
  /** `local` for this machine only; else told by the host. */
  readonly provider?: string | undefined;
}

/** A step of a build, as far as publishing is concerned. */
export interface PublishStep {
  readonly registries: readonly RegistryTarget[];
  /** The builder put it into the engine; it is pushed from there. */
  readonly load: boolean;
  /** The builder pushes it itself. */
  readonly push: boolean;
}

/** True for a target that nothing is pushed to. */
export function isLocalTarget({ provider }: Pick<RegistryTarget, "provider">): boolean {
  return provider === "local";
}

export function providerOf(target: Pick<RegistryTarget, "provider" | "url">): string {
  return target.provider ?? detectProvider(target.url);
}

/** The references of a target, one per tag. Throws `ERR_IMAGE_REFERENCE_INVALID`. */
export function referencesOf(target: RegistryTarget): readonly ImageReference[] {
  const host = normalizeRegistryHost(target.url);
  return target.tags.map((tag) => parseImageReference(`${host}/${target.path}:${tag}`));
}

/** What is pushed once a build is over: all that was loaded and that the builder does not push itself. */
export function collectRemoteTags(steps: readonly PublishStep[]): readonly string[] {
  const tags = steps
    .filter(({ load, push }) => load && !push)
    .flatMap(({ registries }) => registries)
    .filter((target) => !isLocalTarget(target))
    .flatMap(referencesOf)
    .map(formatImageReference);
  return [...new Set(tags)];
}
