/** What a Dockerfile says of its image, as far as admission asks. */
export interface DockerfileFacts {
  /** Base images as they are written. */
  readonly bases: readonly string[];
  readonly findings: readonly {
    readonly rule: string;
    readonly severity: "low" | "medium" | "high";
    readonly line: number;
  }[];
}

/** What a build is known to have been, when it is over. Times are Unix milliseconds. */
export interface ProvenanceFacts {
  /** Names of the image and what it is. */
  readonly subject: {
    readonly names: readonly string[];
    /** `sha256:…` of the manifest where there is one, else of the configuration: the image's id. */
    readonly digest: string;
  };
  readonly source: {
    /** Repository URL, without credentials. */
    readonly repository: string;
    /** What was asked for: a branch, a tag, a commit; undefined for the default branch. */
    readonly ref: string | undefined;
    readonly commit: string;
    readonly tree: string;
  };
  /** Base images that were used, with what they turned out to be. */
  readonly bases: readonly { readonly reference: string; readonly digest: string }[];
  readonly builder: {
    /** Who built: an installation. */
    readonly id: string;
    /** Versions of what built: this program, the engine, buildx. */
    readonly versions: Readonly<Record<string, string>>;
  };
  /** What its Dockerfile says; undefined when that could not be read. */
  readonly dockerfile: DockerfileFacts | undefined;
  /** All that was asked of the build beside the source; never a secret. */
  readonly parameters: Readonly<Record<string, string>>;
  readonly startedAt: number;
  readonly finishedAt: number;
  /** Names this one build. */
  readonly invocationId: string;
}
