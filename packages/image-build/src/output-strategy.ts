import type { BackendCapabilities } from "./backends/backend.js";
import { isMultiPlatform } from "./backends/requirements.js";
import { ImageBuildError } from "./errors.js";
import type { BuildOutput } from "./image-builder.js";

export interface OutputRequest {
  readonly platforms: readonly string[];
  /** Registries that the image is meant for. */
  readonly hasRegistries: boolean;
  /** Only this machine gets it, whatever registries there are. */
  readonly local: boolean;
  /** An OCI layout that is the way of the image to the registries: then the build itself pushes nothing. */
  readonly ociLayout?: string | undefined;
  /** With `ociLayout`: it is kept, so that the engine need not have the image as well. */
  readonly keepsLayout?: boolean | undefined;
  readonly capabilities: Pick<
    BackendCapabilities,
    "load" | "push" | "multiPlatform" | "multiPlatformLoad" | "ociLayout"
  >;
}

export interface OutputPlan {
  readonly output: BuildOutput;
  /** The image is loaded now and pushed once it is built. */
  readonly pushAfterwards: boolean;
  readonly strategy: "local" | "load + push" | "multi-platform push" | "OCI layout";
}

/**
 * Where a build should put its result: into the engine when it can take it, since an image that is
 * there can be looked at before it is pushed; straight to the registries when there are several
 * platforms, which the engine's classic store cannot hold.
 *
 * Throws `ERR_BUILD_BACKEND` when the backend has no way for what is asked.
 */
export function planOutput(request: OutputRequest): OutputPlan {
  const { capabilities, hasRegistries, local, ociLayout } = request;
  const isMulti = isMultiPlatform(request.platforms);
  if (isMulti && !capabilities.multiPlatform) {
    throw refuse(
      `It builds for one platform at a time, and ${request.platforms.length} are asked for`,
      "Build with buildx and a builder of the docker-container, remote or kubernetes driver, or for one platform.",
    );
  }
  if (ociLayout !== undefined && !capabilities.ociLayout) {
    throw refuse(
      "It writes no OCI layout",
      "Build with buildx and a builder of the docker-container, remote or kubernetes driver.",
    );
  }
  const canLoad = capabilities.load && (!isMulti || capabilities.multiPlatformLoad);
  const load = (): true => {
    if (canLoad) return true;
    throw isMulti
      ? refuse(
          `The engine's image store cannot hold ${request.platforms.length} platforms of one image`,
          "Give a registry to push to, build for one platform, or turn on the containerd image store of the engine.",
        )
      : refuse("It cannot load into the engine", "Give a registry to push to, or another builder.");
  };
  const layout = ociLayout === undefined ? {} : { ociLayout };
  if (local || !hasRegistries) {
    return {
      output: { load: load(), ...layout },
      pushAfterwards: false,
      strategy: "local",
    };
  }
  if (ociLayout !== undefined) {
    const loads = !isMulti && request.keepsLayout !== true && canLoad;
    return { output: { load: loads, ...layout }, pushAfterwards: true, strategy: "OCI layout" };
  }
  if (!isMulti && canLoad) {
    return { output: { load: true }, pushAfterwards: true, strategy: "load + push" };
  }
  if (capabilities.push) {
    return {
      output: { load: false, push: true },
      pushAfterwards: false,
      strategy: "multi-platform push",
    };
  }
  throw refuse("It can push nothing", "Give another builder, or build for one platform.");
}

/** `1 build(s), linux/amd64, 2 tag(s), load + push`. */
export function summarizePlan(plan: {
  readonly builds: number;
  readonly platforms: readonly string[];
  readonly tags: number;
  readonly strategy: OutputPlan["strategy"];
}): string {
  return `${plan.builds} build(s), ${plan.platforms.join(",")}, ${plan.tags} tag(s), ${plan.strategy}`;
}

function refuse(reason: string, hint: string): ImageBuildError {
  return new ImageBuildError(
    "ERR_BUILD_BACKEND",
    `The backend cannot give the result where it is wanted: ${reason}.`,
    { hint },
  );
}
