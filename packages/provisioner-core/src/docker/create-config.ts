import { LABELS } from "@molecule-ai/core";
import type { HostConfig } from "@molecule-ai/host-config";
import type { ContainerConfig, ImageInfo } from "@molecule-ai/docker-engine";
import { wrapEntrypoint } from "../secret-file.js";
import type { WorkspacePlan } from "../workspace-plan.js";

export interface CreateConfigOptions {
  readonly plan: WorkspacePlan;
  readonly image: Pick<ImageInfo, "entrypoint" | "cmd">;
  readonly hostConfig: HostConfig;
  readonly attempt: string;
  readonly createdAt: number;
  /** How secrets reach the process. */
  readonly secrets:
    | { readonly kind: "none" }
    | { readonly kind: "file" }
    /** For an image without a shell: visible to whoever may inspect the container. */
    | { readonly kind: "environment"; readonly values: Readonly<Record<string, string>> };
}

/** The body of the engine's create call. */
export function createConfig(options: CreateConfigOptions): ContainerConfig {
  const { plan, image, secrets } = options;
  const { container, network, agentPort } = plan;
  const secretEnv =
    secrets.kind === "environment"
      ? Object.entries(secrets.values).map(([name, value]) => `${name}=${value}`)
      : [];
  return {
    Image: container.image,
    Env: [...container.env, ...secretEnv],
    Labels: {
      ...container.labels,
      [LABELS.attempt]: options.attempt,
      [LABELS.createdAt]: String(options.createdAt),
    },
    ExposedPorts: { [`${agentPort}/tcp`]: {} },
    HostConfig: options.hostConfig,
    // The engine drops the image's Cmd when an entrypoint is given, so both are.
    ...(secrets.kind === "file"
      ? { Entrypoint: wrapEntrypoint(image.entrypoint), Cmd: image.cmd }
      : {}),
    ...(network === undefined
      ? {}
      : {
          NetworkingConfig: {
            EndpointsConfig: { [network.name]: { Aliases: [container.networkAlias] } },
          },
        }),
  };
}
