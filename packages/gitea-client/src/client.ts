import type { Readable } from "node:stream";

/** A template repository: where it is on the web and in the API. Made by `parseRepository`. */
export interface TemplateRepository {
  /** Clone URL without userinfo. */
  readonly url: string;
  /** `scheme://host[:port]`. */
  readonly origin: string;
  /** Path of the server below its origin, for example `/git`; empty for a server at the root. */
  readonly basePath: string;
  readonly owner: string;
  readonly name: string;
}

export interface TemplateHead {
  readonly repository: TemplateRepository;
  /** The branch or tag that was resolved, or the commit itself when one was asked for. */
  readonly ref: string;
  /** 40 or 64 lower-case hex digits. */
  readonly sha: string;
  /** Unix milliseconds, when the server told. */
  readonly committedAt: number | undefined;
}

export interface HeadOptions {
  /** Branch, tag or full commit; default: `main`, else the repository's default branch. */
  readonly ref?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface ServerVersion {
  /** `unknown` for a server without a version to ask for, as Gogs is. */
  readonly product: "Gitea" | "Forgejo" | "unknown";
  /** As the server gives it; `unknown` when it gives none. */
  readonly version: string;
  /** Unix milliseconds on the server's clock, to the second. */
  readonly date: number | undefined;
}

export interface GiteaClient extends AsyncDisposable {
  /** Resolves the head of a repository: one call when branch `main` exists. */
  resolveHead(repository: TemplateRepository, options?: HeadOptions): Promise<TemplateHead>;
  /** The tree of a commit as the server's `tar.gz`, as a stream bounded by idle time and size. */
  archive(
    repository: TemplateRepository,
    sha: string,
    options?: { readonly signal?: AbortSignal | undefined },
  ): Promise<Readable>;
  /**
   * The git tree of a commit: 40 or 64 lower-case hex digits. Undefined when the server does not know
   * the commit or does not tell trees, as Gogs does not.
   */
  commitTree(
    repository: TemplateRepository,
    sha: string,
    options?: { readonly signal?: AbortSignal | undefined },
  ): Promise<string | undefined>;
  /** Product, version and clock of the server. */
  version(
    repository: TemplateRepository,
    options?: { readonly signal?: AbortSignal | undefined },
  ): Promise<ServerVersion>;
}
