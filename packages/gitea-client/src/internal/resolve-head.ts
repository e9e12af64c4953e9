import type { CommitAnswer } from "../answers.js";
import type { TemplateHead, TemplateRepository } from "../client.js";
import { GiteaError } from "../errors.js";
import { parseRef, type RefLookup } from "../ref.js";
import type { Lookups } from "./lookups.js";

const MAIN = "main";

/** The head of `main`, else of the repository's default branch. */
export async function resolveDefault(
  repository: TemplateRepository,
  lookups: Lookups,
): Promise<TemplateHead> {
  const head = await lookups.branch(MAIN);
  if (head !== undefined) return { repository, ref: MAIN, ...head };
  const branch = await lookups.defaultBranch();
  if (branch === undefined) throw repositoryNotFound(repository);
  const other = branch === MAIN || branch === "" ? undefined : await lookups.branch(branch);
  if (other !== undefined) return { repository, ref: branch, ...other };
  throw new GiteaError(
    "ERR_GITEA_REF_NOT_FOUND",
    `The repository ${repository.url} has no branch ${branch || MAIN}: it is empty.`,
    { hint: "Push a first commit, or choose a branch, tag or commit that exists." },
  );
}

/** The commit of a chosen branch or tag, or the chosen commit once the server knows it. */
export async function resolveChosen(
  repository: TemplateRepository,
  chosen: string,
  lookups: Lookups,
): Promise<TemplateHead> {
  const lookup = parseRef(chosen);
  const ref = lookup.kind === "commit" ? lookup.sha : lookup.name;
  const head = await find(lookup, lookups);
  if (head === undefined) {
    if ((await lookups.defaultBranch()) === undefined) throw repositoryNotFound(repository);
    const kind = lookup.kind === "any" ? "branch or tag" : lookup.kind;
    throw new GiteaError(
      "ERR_GITEA_REF_NOT_FOUND",
      `The repository ${repository.url} has no ${kind} ${ref}.`,
      { hint: "Choose a branch or tag that exists; a commit is given with all its digits." },
    );
  }
  if (lookup.kind === "commit" && head.sha !== lookup.sha) {
    throw new GiteaError(
      "ERR_GITEA_SHA_INVALID",
      `${repository.origin} answered with commit ${head.sha} when asked for ${lookup.sha}.`,
      { hint: "Look at the server, or at a proxy before it: a commit is one thing only." },
    );
  }
  return { repository, ref, ...head };
}

async function find(lookup: RefLookup, lookups: Lookups): Promise<CommitAnswer | undefined> {
  switch (lookup.kind) {
    case "commit":
      return lookups.commit(lookup.sha);
    case "branch":
      return lookups.branch(lookup.name);
    case "tag":
      return lookups.tag(lookup.name);
    case "any":
      return (await lookups.branch(lookup.name)) ?? (await lookups.tag(lookup.name));
    default:
      return lookup satisfies never;
  }
}

function repositoryNotFound(repository: TemplateRepository): GiteaError {
  return new GiteaError("ERR_GITEA_NOT_FOUND", `The repository ${repository.url} was not found.`, {
    hint: "It may not be mirrored to this server, or it is private: check MOLECULE_LOCAL_TEMPLATE_REPO_PREFIX, and set MOLECULE_GITEA_TOKEN if it is private.",
  });
}
