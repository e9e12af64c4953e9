import { rm } from "node:fs/promises";
import type { EventSink, Redactor } from "@molecule-ai/core";
import { isProvisionerError } from "@molecule-ai/core";
import type { GiteaClient, GiteaSettings, TemplateRepository } from "@molecule-ai/gitea-client";
import type { CheckoutRecord, Scratch } from "./checkout-store.js";
import { LocalBuildError } from "./errors.js";
import { objectFormatOf } from "./git-object.js";
import { extractArchive } from "./internal/archive.js";
import { fetchCommit } from "./internal/git.js";
import type { TemplateLimits } from "./limits.js";
import { readTemplateTree } from "./template-tree.js";

export interface CheckoutOptions {
  readonly runtime: string;
  readonly repository: TemplateRepository;
  readonly sha: string;
  readonly scratch: Scratch;
  readonly gitea: GiteaClient;
  readonly git: {
    /** Undefined: git is not used. */
    readonly path: string | undefined;
    readonly env: Readonly<Record<string, string>>;
    readonly settings: GiteaSettings;
  };
  readonly limits: TemplateLimits;
  readonly redactor: Redactor;
  readonly signal: AbortSignal;
  readonly onProgress: () => void;
  readonly onEvent: EventSink;
}

/**
 * Puts the files of exactly the commit `sha` into `scratch.files`: by git, or as the server's
 * archive when there is no git or its fetch fails.
 *
 * By git, commit and tree are proven: the commit's bytes hash to `sha`, the files hash to its tree.
 * By archive, the archive must name `sha` as its commit, and the tree recomputed from the files must
 * be the one the server gives for `sha`, when it gives one.
 */
export async function checkoutCommit(options: CheckoutOptions): Promise<CheckoutRecord> {
  const { sha, repository, scratch } = options;
  let gitError: LocalBuildError | undefined;
  if (options.git.path !== undefined) {
    const outcome = await fetchCommit({
      repository,
      sha,
      scratch: scratch.path,
      destination: scratch.files,
      gitPath: options.git.path,
      gitEnv: options.git.env,
      settings: options.git.settings,
      redactor: options.redactor,
      limits: options.limits,
      signal: options.signal,
      onProgress: options.onProgress,
    });
    if (outcome.kind === "fetched") {
      const { tree, committedAt } = outcome.commit;
      return proven(options, "git", committedAt, tree, outcome.submodules);
    }
    if (outcome.kind === "failed") gitError = outcome.error;
    await rm(scratch.files, { recursive: true, force: true });
  }
  return fromArchive(options, gitError);
}

async function fromArchive(
  options: CheckoutOptions,
  gitError: LocalBuildError | undefined,
): Promise<CheckoutRecord> {
  const { sha, repository, gitea, signal } = options;
  try {
    const archive = await gitea.archive(repository, sha, { signal });
    const extracted = await extractArchive(archive, options.scratch.files, options);
    if (extracted.commit !== sha) {
      throw mismatch(
        options,
        extracted.commit === undefined
          ? "the archive does not say which commit it holds"
          : `the archive holds commit ${extracted.commit}`,
      );
    }
    if (gitError !== undefined) {
      options.onEvent({
        type: "warning",
        code: "WARN_LOCAL_BUILD_GIT_FETCH",
        message: `${gitError.message} The server's archive of the commit was used instead.`,
      });
    }
    const tree = await gitea.commitTree(repository, sha, { signal });
    return await proven(options, "archive", extracted.committedAt, tree, {});
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof LocalBuildError && error.code !== "ERR_LOCAL_BUILD_CHECKOUT") throw error;
    throw checkoutFailed(options, gitError, error);
  }
}

async function proven(
  options: CheckoutOptions,
  via: CheckoutRecord["via"],
  committedAt: number | undefined,
  expectedTree: string | undefined,
  submodules: Readonly<Record<string, string>>,
): Promise<CheckoutRecord> {
  const { tree, files, sizeBytes } = await readTemplateTree(options.scratch.files, {
    objectFormat: objectFormatOf(options.sha),
    limits: options.limits,
    submodules,
    signal: options.signal,
  });
  if (expectedTree !== undefined && expectedTree !== tree) {
    throw mismatch(options, `its files make tree ${tree}, the commit has ${expectedTree}`);
  }
  return {
    version: 1,
    runtime: options.runtime,
    sha: options.sha,
    tree,
    source: options.repository.url,
    committedAt,
    files,
    sizeBytes,
    via,
    submodules,
  };
}

function mismatch(options: CheckoutOptions, why: string): LocalBuildError {
  return new LocalBuildError(
    "ERR_LOCAL_BUILD_COMMIT_MISMATCH",
    `What ${options.repository.url} sent for commit ${options.sha} is something else: ${why}.`,
    { hint: "Try again; if it stays so, install git, which checks what it fetches." },
  );
}

function checkoutFailed(
  options: CheckoutOptions,
  gitError: LocalBuildError | undefined,
  cause: unknown,
): LocalBuildError {
  const why = cause instanceof Error ? cause.message : String(cause);
  const git = gitError === undefined ? "git is not installed" : gitError.message;
  return new LocalBuildError(
    "ERR_LOCAL_BUILD_CHECKOUT",
    `Cannot fetch commit ${options.sha.slice(0, 12)} of runtime ${options.runtime} from ${options.repository.url}: ${options.redactor.redact(why)}`,
    {
      hint: isProvisionerError(cause) ? cause.hint : undefined,
      retryable: isProvisionerError(cause) && cause.retryable,
      details: {
        runtime: options.runtime,
        repository: options.repository.url,
        revision: options.sha,
        git,
        archive: isProvisionerError(cause) ? cause.code : why,
      },
      cause,
    },
  );
}
