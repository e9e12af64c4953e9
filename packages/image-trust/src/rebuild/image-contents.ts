import type { JsonObject } from "@molecule-ai/core";

/** One entry of a layer. */
export interface LayerEntry {
  readonly path: string;
  readonly type: "file" | "directory" | "symlink" | "link" | "device" | "other";
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Unix seconds. */
  readonly modifiedAt: number;
  readonly sizeBytes: number;
  /** `sha256:…` of the content of a file; empty for everything else. */
  readonly digest: string;
  /** Where a link leads; empty for everything else. */
  readonly target: string;
}

export interface LayerContents {
  /** `sha256:…` of the uncompressed tar. */
  readonly diffId: string;
  /** In the order of the tar. */
  readonly entries: readonly LayerEntry[];
}

/** An image taken apart. */
export interface ImageContents {
  /** `sha256:…` of the configuration: the id of the image. */
  readonly id: string;
  readonly config: JsonObject;
  readonly layers: readonly LayerContents[];
}
