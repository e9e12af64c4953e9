/** An image that was built just now, and all that decided it. */
export interface RecordedBuild {
  readonly imageId: string;
  readonly tags: readonly string[];
  readonly source: {
    /** Repository URL, without credentials. */
    readonly repository: string;
    /** What was asked for; undefined for the default branch. */
    readonly ref: string | undefined;
    readonly commit: string;
    readonly tree: string;
  };
  /** The files it was built from; theirs is the time of the call. */
  readonly files: string;
  /** Path of the Dockerfile in `files`. */
  readonly dockerfile: string;
  /** Build arguments; never secrets. */
  readonly buildArgs: Readonly<Record<string, string>> | undefined;
  /** What else was asked for, for people: runtime, platform, settings. */
  readonly parameters: Readonly<Record<string, string>>;
  /** Unix milliseconds. */
  readonly startedAt: number;
  readonly finishedAt: number;
}

/**
 * Writes down how images came to be: the port handed to the source. What it throws becomes a warning;
 * the image is there all the same.
 */
export interface BuildRecorder {
  built(build: RecordedBuild, options: { readonly signal: AbortSignal }): Promise<unknown>;
  /** `reference` is `repository@sha256:…` in the registry the image was pushed to. */
  pushed(
    imageId: string,
    reference: string,
    options: { readonly signal: AbortSignal },
  ): Promise<unknown>;
}
