import type { BuildEvent, EventSink } from "@molecule-ai/core";
import type { DockerEngine } from "@molecule-ai/docker-engine";
import type { BackendCapabilities, BuildBackend } from "./backends/backend.js";
import { missingCapabilities } from "./backends/requirements.js";
import type { Buildx } from "./buildx/buildx.js";
import { ENGINE_CAPABILITIES } from "./engine/engine-capabilities.js";
import { ImageBuildError } from "./errors.js";
import type { BuildOptions } from "./image-builder.js";

/** Chooses the backend of one build; asked once for each. `engine` is what the engine has in it. */
export type BackendResolver = (request: {
  readonly need: BuildOptions;
  readonly signal: AbortSignal;
}) => Promise<BuildBackend | "engine">;

/** The way to build that was taken, and what it takes to go it. */
export type ChosenBackend =
  | {
      readonly name: "buildkit" | "classic";
      readonly capabilities: BackendCapabilities;
    }
  | {
      readonly name: "buildx";
      readonly backend: BuildBackend;
      readonly capabilities: BackendCapabilities;
      readonly buildx: Buildx;
    };

export interface BackendSources {
  readonly engine: DockerEngine;
  readonly backend?: "auto" | "engine" | "classic" | BuildBackend | BackendResolver | undefined;
  readonly buildx?: Buildx | ((signal: AbortSignal) => Promise<Buildx | undefined>) | undefined;
}

/** Throws `ERR_BUILD_BACKEND` when a backend of buildx is chosen and there is no buildx. */
export async function chooseBackend(
  sources: BackendSources,
  request: {
    readonly need: BuildOptions;
    readonly signal: AbortSignal;
    readonly emit: EventSink<BuildEvent>;
  },
): Promise<ChosenBackend> {
  const { backend = "auto" } = sources;
  const { signal } = request;
  if (backend === "classic") return inEngine("classic");
  const chosen =
    typeof backend === "function" ? await backend({ need: request.need, signal }) : backend;
  if (typeof chosen === "string") {
    if ((await sources.engine.info({ signal })).buildkit) return inEngine("buildkit");
    request.emit({
      type: "warning",
      code: "WARN_BUILD_CLASSIC",
      message: "The engine has no BuildKit: its classic builder is used.",
      hint: "Builds are slower, and newer Dockerfile syntax is not understood; use a newer engine.",
    });
    return inEngine("classic");
  }
  if (chosen.name !== "buildx") return inEngine(chosen.name);
  const buildx =
    typeof sources.buildx === "function" ? await sources.buildx(signal) : sources.buildx;
  if (buildx === undefined) {
    throw new ImageBuildError(
      "ERR_BUILD_BACKEND",
      `The builder ${chosen.builder ?? ""} needs buildx, and there is none.`,
      {
        hint: "Install buildx (on Debian: apt-get install docker-buildx), or build with the engine.",
      },
    );
  }
  return { name: "buildx", backend: chosen, capabilities: chosen.capabilities, buildx };
}

function inEngine(name: "buildkit" | "classic"): ChosenBackend {
  return { name, capabilities: ENGINE_CAPABILITIES[name] };
}

/** How the backend is called towards people. */
export function titleOf(chosen: ChosenBackend): string {
  switch (chosen.name) {
    case "buildkit":
      return "the engine's BuildKit";
    case "classic":
      return "the engine's classic builder";
    case "buildx":
      return `buildx with the builder ${chosen.backend.builder ?? "default"} (driver ${chosen.backend.driver ?? "unknown"})`;
    default:
      return chosen satisfies never;
  }
}

/** Throws `ERR_BUILD_BACKEND` naming what a request asks for and the backend has not. */
export function refuseWhatIsMissing(
  need: BuildOptions,
  chosen: ChosenBackend,
  subject: string,
): void {
  const missing = missingCapabilities(need, chosen.capabilities);
  if (missing.length === 0) return;
  throw new ImageBuildError(
    "ERR_BUILD_BACKEND",
    `${subject}: ${titleOf(chosen)} cannot do ${missing.join(", ")}.`,
    {
      hint:
        chosen.name === "buildx" && chosen.backend.driver !== "docker"
          ? "Leave that out, or build with another builder."
          : "Leave that out, or build with buildx and a builder of the docker-container or remote driver.",
      details: { missing, backend: chosen.name },
    },
  );
}
