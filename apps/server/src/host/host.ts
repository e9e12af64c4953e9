import type { DockerEngine } from "@molecule-ai/docker-engine";
import type { Provenance } from "@molecule-ai/image-trust";
import type { PlanSettings, Provisioner, WorkspaceBackend } from "@molecule-ai/provisioner-core";
import type { ImageSource } from "@molecule-ai/registry-mode";

/** The engine this process works with, and what is wired to it. */
export interface Host {
  /** The engine's own id: the same for every server process on it. */
  readonly id: string;
  readonly engine: DockerEngine;
  readonly backend: WorkspaceBackend;
  readonly provisioner: Provisioner;
  readonly images: ImageSource;
  /** How an image came to be; undefined for one that was not built here. */
  provenanceOf(imageId: string): Promise<Provenance | undefined>;
  readonly settings: PlanSettings;
  /** This process is a container on the network of the workspaces. */
  readonly inDocker: boolean;
}

/** The way to the engine; it may come later than the server, and go. */
export interface HostLink extends AsyncDisposable {
  /** Undefined until the engine answered for the first time. */
  readonly host: Host | undefined;
  /** `ERR_ENGINE_UNAVAILABLE` while there is none. */
  require(): Host;
  /** Resolves once there is one; rejects with the signal's reason. */
  connected(options: { readonly signal: AbortSignal }): Promise<Host>;
  /** Rejects with what is wrong when the engine does not answer now. */
  ping(options: { readonly signal: AbortSignal }): Promise<void>;
}
