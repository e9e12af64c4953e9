import type { CommitDescription, GitRepository } from "./git-repository.js";
import { spawnGit, type GitProcess } from "./git-process.js";
import { jsonAnswer, type Answer } from "./gitea-answer.js";

/** Which product's API is spoken: Forgejo differs in its version, Gogs in routes and refusals. */
export type GiteaFlavour = "gitea" | "forgejo" | "gogs";

/** Who asks: nobody, somebody known, or somebody with a credential that is not known. */
export type Caller = "anonymous" | "known" | "refused";

export interface HostedRepository {
  readonly git: GitRepository;
  readonly id: number;
  readonly owner: string;
  readonly name: string;
  readonly isPrivate: boolean;
  readonly url: string;
}

export interface ApiRequest {
  readonly flavour: GiteaFlavour;
  readonly caller: Caller;
  /** Decoded segments after `/api/v1`. */
  readonly segments: readonly string[];
  /** `http://host:port/base/api`. */
  readonly apiUrl: string;
  readonly find: (owner: string, name: string) => HostedRepository | undefined;
  readonly onProcess: (process: GitProcess) => void;
}

const VERSIONS = { gitea: "1.24.6", forgejo: "12.0.4+gitea-1.22.0" } as const;

/** Answers a GET below `/api/v1` as the product of that flavour does. */
export async function answerApi(request: ApiRequest): Promise<Answer> {
  const { flavour, caller, segments } = request;
  // Gogs takes a token it does not know for no token at all.
  if (caller === "refused" && flavour !== "gogs") {
    return jsonAnswer(401, {
      message: "invalid username, password or token",
      url: `${request.apiUrl}/swagger`,
    });
  }
  if (segments[0] === "version" && segments.length === 1 && flavour !== "gogs") {
    return jsonAnswer(200, { version: VERSIONS[flavour] });
  }
  if (segments[0] !== "repos" || segments.length < 3) return notFound(request);
  const [, owner = "", name = "", area, ...rest] = segments;

  if (flavour === "gogs" && area !== undefined && caller !== "known") {
    return { status: 401, headers: {}, body: Buffer.alloc(0) };
  }
  const repository = request.find(owner, name);
  if (repository === undefined || (repository.isPrivate && caller !== "known")) {
    return notFound(request);
  }
  return (await answerRepository(request, repository, area, rest)) ?? notFound(request);
}

async function answerRepository(
  request: ApiRequest,
  repository: HostedRepository,
  area: string | undefined,
  rest: readonly string[],
): Promise<Answer | undefined> {
  const { git } = repository;
  const isGogs = request.flavour === "gogs";
  const name = rest.join("/");
  switch (area) {
    case undefined:
      return jsonAnswer(200, await repositoryRecord(repository));
    case "branches": {
      const commit = await git.describe(`refs/heads/${name}`);
      return commit === undefined
        ? undefined
        : jsonAnswer(200, {
            name,
            commit: branchCommit(request, repository, commit),
            ...(isGogs ? {} : { protected: false, user_can_push: false }),
          });
    }
    case "tags": {
      const commit = isGogs ? undefined : await git.describe(`refs/tags/${name}`);
      if (commit === undefined) return undefined;
      const { sha, committedAt } = commit;
      return jsonAnswer(200, {
        name,
        message: "",
        id: sha,
        commit: { url: `${repository.url}/commit/${sha}`, sha, created: committedAt },
        zipball_url: `${repository.url}/archive/${name}.zip`,
        tarball_url: `${repository.url}/archive/${name}.tar.gz`,
      });
    }
    case "git":
      if (isGogs || rest[0] !== "commits" || rest.length !== 2) return undefined;
      return singleCommit(request, repository, rest[1] ?? "");
    case "commits":
      if (!isGogs || rest.length !== 1) return undefined;
      return singleCommit(request, repository, name);
    case "archive":
      return name.endsWith(".tar.gz")
        ? answerArchive(request, repository, name.slice(0, -".tar.gz".length))
        : undefined;
    default:
      return undefined;
  }
}

/** The tree of a commit as `tar.gz`, made by git and so with the commit in its pax header. */
export async function answerArchive(
  request: Pick<ApiRequest, "onProcess">,
  repository: HostedRepository,
  revision: string,
): Promise<Answer | undefined> {
  const sha = await repository.git.resolve(revision);
  if (sha === undefined) return undefined;
  const process = spawnGit([
    "--git-dir",
    repository.git.directory,
    "archive",
    "--format=tar.gz",
    `--prefix=${repository.name.toLowerCase()}/`,
    sha,
  ]);
  request.onProcess(process);
  process.stdin.end();
  return {
    status: 200,
    headers: {
      "content-type": "application/octet-stream",
      "content-disposition": `attachment; filename="${repository.name}-${revision}.tar.gz"`,
    },
    body: process.stdout,
  };
}

async function repositoryRecord(repository: HostedRepository): Promise<object> {
  const { git, id, owner, name, url } = repository;
  return {
    id,
    owner: { id: 1, login: owner, username: owner, full_name: "", email: "" },
    name,
    full_name: `${owner}/${name}`,
    description: "",
    empty: (await git.resolve(`refs/heads/${git.defaultBranch}`)) === undefined,
    private: repository.isPrivate,
    fork: false,
    mirror: false,
    size: 24,
    html_url: url,
    clone_url: `${url}.git`,
    default_branch: git.defaultBranch,
    archived: false,
  };
}

function branchCommit(
  request: ApiRequest,
  repository: HostedRepository,
  commit: CommitDescription,
): object {
  const { sha } = commit;
  const author = { name: commit.authorName, email: commit.authorEmail, username: "" };
  return {
    id: sha,
    message: commit.message,
    url: request.flavour === "gogs" ? "Not implemented" : `${repository.url}/commit/${sha}`,
    author,
    committer: author,
    ...(request.flavour === "gogs"
      ? {}
      : {
          verification: { verified: false, reason: "gpg.error.not_signed_commit", signature: "" },
        }),
    timestamp: commit.authoredAt,
    added: null,
    removed: null,
    modified: null,
  };
}

async function singleCommit(
  request: ApiRequest,
  repository: HostedRepository,
  revision: string,
): Promise<Answer | undefined> {
  const commit = await repository.git.describe(revision);
  if (commit === undefined) return undefined;
  const { sha } = commit;
  const url = `${request.apiUrl}/v1/repos/${repository.owner}/${repository.name}/git/commits/${sha}`;
  const person = { name: commit.authorName, email: commit.authorEmail };
  return jsonAnswer(200, {
    url,
    sha,
    created: commit.committedAt,
    html_url: `${repository.url}/commit/${sha}`,
    commit: {
      url,
      author: { ...person, date: commit.authoredAt },
      committer: { ...person, date: commit.committedAt },
      message: commit.message,
      // Gogs gives the commit where the tree belongs.
      tree: { url, sha: request.flavour === "gogs" ? sha : commit.tree },
    },
    author: null,
    committer: null,
    parents: commit.parents.map((parent) => ({ url, sha: parent })),
  });
}

function notFound(request: ApiRequest): Answer {
  if (request.flavour === "gogs") return { status: 404, headers: {}, body: Buffer.alloc(0) };
  return jsonAnswer(404, {
    errors: null,
    message: "The target couldn't be found.",
    url: `${request.apiUrl}/swagger`,
  });
}
