/** Which of the places of a {@link CacheRef} it is: on disk, the branch's own, another branch's. */
export type CachePlane = "local" | "external" | "fallback";

/** One place a build takes cache from or gives it to. */
export interface CacheRef {
  /** `registry`, `local`, `inline`, `gha`, `s3`, `azblob`. */
  readonly type: string;
  /** Image reference, or directory for `local`; empty for those that have none, like `inline`. */
  readonly ref: string;
  readonly direction: "import" | "export";
  readonly mode?: "min" | "max" | undefined;
  /** Further attributes, for example `ignore-error`, `image-manifest`, `compression`. */
  readonly attributes?: Readonly<Record<string, string>> | undefined;
  /** For reports; undefined for a ref the caller gave. */
  readonly plane?: CachePlane | undefined;
}

/** How one source of cache did. */
export type CacheVerdict = "hit" | "miss" | "skipped";

/** What the cache really did for one build. */
export interface CacheResolution {
  /** `off`, `local`, `shared` or `hybrid`. */
  readonly mode: string;
  readonly local: CacheVerdict;
  /** The branch's own ref. */
  readonly external: CacheVerdict;
  readonly fallback: CacheVerdict;
  /** Anything at all came from a cache. */
  readonly result: CacheVerdict;
  readonly builder: string | undefined;
  /** Every import that was tried, in order, with what became of it. */
  readonly imports: readonly { readonly ref: string; readonly verdict: CacheVerdict }[];
  /** Every export, and why it failed where it did. */
  readonly exports: readonly {
    readonly ref: string;
    readonly outcome: "exported" | "refused" | "skipped";
    readonly reason?: string | undefined;
  }[];
}
