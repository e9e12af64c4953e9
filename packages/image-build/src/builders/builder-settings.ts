import { parseImageReference } from "@molecule-ai/registry-mode";
import { createHash } from "node:crypto";
import { coerce } from "semver";
import { driverOptionsOf, endpointOf, type BuilderRequest } from "./create-args.js";
import { renderBuilderConfig } from "./gc-policy.js";

/** BuildKit's own names of its limits since then. */
const SPACES_SINCE = "0.17.0";

/** The `buildkitd.toml` for a request, as the BuildKit of its image reads it; undefined for none. */
export function configText(request: BuilderRequest): string | undefined {
  if (request.driver !== "docker-container" || request.config === undefined) return undefined;
  const { image } = request;
  const version = coerce(image === undefined ? undefined : parseImageReference(image).tag);
  const legacy = version !== null && version.compare(SPACES_SINCE) < 0;
  return renderBuilderConfig(request.config, { legacy });
}

/** The same for requests that lead to the same builder. */
export function digestOf(request: BuilderRequest, config: string | undefined): string {
  const settings = [request.driver, endpointOf(request), driverOptionsOf(request), config ?? null];
  return createHash("sha256").update(JSON.stringify(settings)).digest("hex");
}
