import type { BuildOptions, BuildOutput } from "../image-builder.js";
import type { BackendCapabilities } from "./backend.js";

/** The platforms a build asks for; empty when it leaves them to the builder. */
export function platformsOf(
  options: Pick<BuildOptions, "platform" | "platforms">,
): readonly string[] {
  return options.platforms ?? (options.platform === undefined ? [] : [options.platform]);
}

/** Whether one image is built for more than one platform. */
export function isMultiPlatform(platforms: readonly string[]): boolean {
  return new Set(platforms).size > 1;
}

/** Whether the result goes into the engine's store, which is the default. */
export function isLoaded(output: BuildOutput | undefined): boolean {
  if (output?.load !== undefined) return output.load;
  const { push, ociLayout, directory } = output ?? {};
  return push !== true && ociLayout === undefined && directory === undefined;
}

/**
 * What a request asks for and a backend cannot do, in the words of the options; empty when it can.
 * Asked before anything is sent, and when a backend is chosen.
 */
export function missingCapabilities(
  options: BuildOptions,
  capabilities: BackendCapabilities,
): readonly string[] {
  const missing: string[] = [];
  const need = (isNeeded: boolean, has: boolean, what: string): void => {
    if (isNeeded && !has) missing.push(what);
  };
  const { context, output, cache, attestations } = options;
  const several = isMultiPlatform(platformsOf(options));
  need(several, capabilities.multiPlatform, "several platforms");
  need(isLoaded(output), capabilities.load, "load into the engine");
  need(
    several && isLoaded(output) && capabilities.multiPlatform && capabilities.load,
    capabilities.multiPlatformLoad,
    "load of several platforms",
  );
  need(output?.push === true, capabilities.push, "push to a registry");
  need(output?.ociLayout !== undefined, capabilities.ociLayout, "output as OCI layout");
  need(output?.directory !== undefined, capabilities.directoryOutput, "output as directory");
  for (const type of typesOf(cache?.imports)) {
    need(true, capabilities.cacheImports.includes(type), `cache import of type ${type}`);
  }
  for (const type of typesOf(cache?.exports)) {
    need(true, capabilities.cacheExports.includes(type), `cache export of type ${type}`);
  }
  need((options.secrets ?? []).length > 0, capabilities.secrets, "secrets");
  need((options.ssh ?? []).length > 0, capabilities.ssh, "ssh");
  const { provenance, sbom } = attestations ?? {};
  need(
    (provenance !== undefined && provenance !== false) || (sbom !== undefined && sbom !== false),
    capabilities.attestations,
    "attestations",
  );
  need(hasKeys(options.annotations), capabilities.annotations, "annotations");
  need(hasKeys(options.namedContexts), capabilities.namedContexts, "named contexts");
  need(context.kind === "git", capabilities.gitContext, "a git repository as context");
  need(context.kind === "tar", capabilities.tarContext, "a tar as context");
  need(
    options.rewriteTimestamps === true,
    capabilities.rewriteTimestamps,
    "rewriting of timestamps",
  );
  return missing;
}

function typesOf(refs: readonly { readonly type: string }[] | undefined): ReadonlySet<string> {
  return new Set((refs ?? []).map(({ type }) => type));
}

function hasKeys(values: object | undefined): boolean {
  return values !== undefined && Object.keys(values).length > 0;
}
