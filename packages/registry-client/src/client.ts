import type { ImageReference } from "@molecule-ai/registry-mode";
import type { Readable } from "node:stream";
import type { CopyEvent } from "./copy-event.js";
import type { ImageConfig } from "./image-config.js";
import type { Descriptor } from "./manifest.js";

/** Options every call takes. Abort ends the connection; the promise rejects with `signal.reason`. */
export interface RegistryCallOptions {
  readonly signal?: AbortSignal | undefined;
}

/** A repository: `ghcr.io/org/app`, or its parts. A tag or digest in it does not count. */
export type Repository = string | Pick<ImageReference, "domain" | "path">;

/** What a tag or digest points to. */
export interface ResolvedManifest {
  readonly digest: string;
  readonly mediaType: string;
  readonly sizeBytes: number;
}

/** A manifest or index, its digest proven over `bytes`. */
export interface FetchedManifest extends ResolvedManifest {
  /** Exactly as the registry has it. */
  readonly bytes: Buffer;
  /** `bytes` as JSON; validated no further than that it is an object. See `parseManifest`. */
  readonly json: Readonly<Record<string, unknown>>;
}

/** A blob that can be read again: an upload that broke off starts over. */
export interface BlobSource {
  readonly digest: string;
  readonly sizeBytes: number;
  open(options: RegistryCallOptions): Readable | Promise<Readable>;
}

export interface ReferrerToPush {
  /** What is referred to: digest, media type and size of a manifest of the same repository. */
  readonly subject: Descriptor;
  readonly artifactType: string;
  readonly blobs: readonly {
    readonly mediaType: string;
    readonly source: BlobSource;
    readonly annotations?: Readonly<Record<string, string>> | undefined;
  }[];
  readonly annotations?: Readonly<Record<string, string>> | undefined;
}

export interface CopyOptions extends RegistryCallOptions {
  readonly onEvent?: ((event: CopyEvent) => void) | undefined;
  /** Copies what refers to the image, or to a part of it, too: signatures, attestations. Default false. */
  readonly referrers?: boolean | undefined;
}

/**
 * Registries by their API. Hosts on the loopback address are spoken to without TLS, as engines do.
 *
 * Only a 404 is ever taken for absence; every other doubt throws a `RegistryError`. Reads, and writes
 * that may be repeated, are tried again after a lost connection, 408, 429 and 5xx.
 */
export interface RegistryClient extends AsyncDisposable {
  /**
   * Whether there is a registry that takes our credentials. `authenticated` is false for a registry
   * that asks nobody who they are, and where there are no credentials for it.
   */
  ping(host: string, options?: RegistryCallOptions): Promise<{ readonly authenticated: boolean }>;

  /** What a tag (`latest` when none is named) or digest points to; undefined when the registry has none. */
  resolve(reference: string, options?: RegistryCallOptions): Promise<ResolvedManifest | undefined>;
  /** At most 4 MiB. `accept` limits the media types; the default is every kind of image and index. */
  manifest(
    reference: string,
    options?: RegistryCallOptions & { readonly accept?: readonly string[] | undefined },
  ): Promise<FetchedManifest>;
  /**
   * The configuration of an image. Of an index the one of `platform` (`os/arch[/variant]`), which may
   * be left out when there is only one; else `ERR_REGISTRY_PLATFORM`.
   */
  imageConfig(
    reference: string,
    options?: RegistryCallOptions & { readonly platform?: string | undefined },
  ): Promise<ImageConfig>;
  /** `target` is a tag or the digest of `bytes`. Whatever it refers to must be there already. */
  putManifest(
    repository: Repository,
    target: string,
    manifest: { readonly mediaType: string; readonly bytes: Buffer },
    options?: RegistryCallOptions,
  ): Promise<ResolvedManifest>;
  /** Removes a manifest and with it every tag of it. False when it was not there. */
  deleteManifest(
    repository: Repository,
    digest: string,
    options?: RegistryCallOptions,
  ): Promise<boolean>;

  hasBlob(repository: Repository, digest: string, options?: RegistryCallOptions): Promise<boolean>;
  /**
   * The bytes of a blob. The stream fails with `ERR_REGISTRY_DIGEST` instead of ending when they are
   * not what the digest, or `sizeBytes`, says; destroying it closes the connection.
   */
  blob(
    repository: Repository,
    digest: string,
    options?: RegistryCallOptions & { readonly sizeBytes?: number | undefined },
  ): Promise<Readable>;
  /** `exists` when the registry had it already. */
  pushBlob(
    repository: Repository,
    source: BlobSource,
    options?: RegistryCallOptions & {
      /** Told after each piece that was sent; starts over with a repeated upload. */
      readonly onProgress?: ((sentBytes: number) => void) | undefined;
    },
  ): Promise<"exists" | "pushed">;
  /** Makes a blob of another repository of the same registry known; false when that cannot be done. */
  mountBlob(
    from: Repository,
    to: Repository,
    digest: string,
    options?: RegistryCallOptions,
  ): Promise<boolean>;

  /** Every tag, in the registry's order; none for a repository that does not exist. */
  tags(
    repository: Repository,
    options?: RegistryCallOptions & {
      /** Tags per request; default 1000. Registries may send fewer. */
      readonly pageSize?: number | undefined;
    },
  ): AsyncIterable<string>;

  /** What refers to a manifest; by the tag `sha256-<hex>` where the registry has no such call. */
  referrers(
    repository: Repository,
    digest: string,
    options?: RegistryCallOptions & { readonly artifactType?: string | undefined },
  ): Promise<readonly Descriptor[]>;
  /** Pushes an artifact about a manifest, and keeps the tag `sha256-<hex>` where that is needed. */
  pushReferrer(
    repository: Repository,
    referrer: ReferrerToPush,
    options?: RegistryCallOptions,
  ): Promise<Descriptor>;

  /**
   * Copies an image with all its platforms, byte for byte, so that its digest stays. `target` names a
   * tag, or nothing to copy by digest alone. The target's tag moves last: an abort or a failure
   * leaves it as it was.
   */
  copy(source: string, target: string, options?: CopyOptions): Promise<ResolvedManifest>;
}
