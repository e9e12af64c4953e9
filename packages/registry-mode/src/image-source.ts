import type { EventSink } from "@molecule-ai/core";

/** An image that is on the engine now, and what is known of its origin. */
export interface ResolvedImage {
  /** What the container is created from; never a moving tag when something exact is known. */
  readonly ref: string;
  /** Engine image id, `sha256:…`. */
  readonly imageId: string;
  /** Registry digest, when the image came from a registry or was pushed to one. */
  readonly digest: string | undefined;
  /** Template commit and tree, when the image was built from one. */
  readonly revision: string | undefined;
  readonly tree: string | undefined;
  /** Repository the template came from, without credentials. */
  readonly source: string | undefined;
  /** `os/arch[/variant]` that was asked for; undefined means the engine's own. */
  readonly platform: string | undefined;
  /** How it was come by. */
  readonly outcome: "present" | "pulled" | "built" | "retagged";
  /** A directory with the files of the template at that commit, when there is one on this machine. */
  readonly templatePath: string | undefined;
}

export interface EnsureImageOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onEvent?: EventSink | undefined;
  /** Branch, tag or commit of the template; local build only. */
  readonly ref?: string | undefined;
  /** Start from what this machine has, asking no server. */
  readonly offline?: boolean | undefined;
}

/**
 * Where images come from: the port handed to provisioner-core. Pull and local build are two
 * implementations.
 */
export interface ImageSource {
  /** Makes the image of `runtime` present on the engine. Callers for the same runtime share the work. */
  ensure(runtime: string, options?: EnsureImageOptions): Promise<ResolvedImage>;
}
