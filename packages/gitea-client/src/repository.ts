import type { TemplateRepository } from "./client.js";
import { GiteaError } from "./errors.js";

// What Gitea, Forgejo and Gogs allow in the name of an owner or a repository.
const NAME = /^(?!\.{1,2}$)[A-Za-z0-9._-]+$/;

/**
 * Reads the web or clone URL of a repository. The last two segments of its path are owner and name,
 * those before them the base path of the server; slashes at the end and `.git` are dropped. Userinfo
 * is not part of the result: see `credentialOfUrl`.
 *
 * @throws `ERR_GITEA_URL_INVALID`
 */
export function parseRepository(url: string): TemplateRepository {
  if (!URL.canParse(url)) throw invalid(url, "it is not a URL");
  const parsed = new URL(url);
  if (parsed.protocol !== "https:" && parsed.protocol !== "http:") {
    throw invalid(url, `its scheme is ${parsed.protocol.slice(0, -1)}`);
  }
  if (parsed.search !== "" || parsed.hash !== "") {
    throw invalid(url, "it has a query or a fragment");
  }
  const path = parsed.pathname.replace(/^\/+|\/+$/g, "");
  if (path === "") throw invalid(url, "it has an empty path");
  const segments = path.split("/");
  const rawName = segments.pop() ?? "";
  const owner = segments.pop();
  if (owner === undefined) throw invalid(url, "its path has no owner and repository");
  const name = rawName.replace(/\.git$/, "");
  if (!NAME.test(owner) || !NAME.test(name) || segments.includes("")) {
    throw invalid(url, `"${owner}/${rawName}" does not name an owner and a repository`);
  }
  const basePath = segments.map((segment) => `/${segment}`).join("");
  return {
    url: `${parsed.origin}${basePath}/${owner}/${name}`,
    origin: parsed.origin,
    basePath,
    owner,
    name,
  };
}

/**
 * The template repository of a runtime: prefix and runtime put together, as in
 * `https://git.example.org/molecule-ai/molecule-ai-workspace-template-` and `claude-code`.
 *
 * @throws `ERR_GITEA_URL_INVALID`
 */
export function templateRepository(prefix: string, runtime: string): TemplateRepository {
  return parseRepository(`${prefix}${runtime}`);
}

/** Address of the API of the server of a repository, without a slash at the end. */
export function apiUrl(repository: TemplateRepository): string {
  return `${repository.origin}${repository.basePath}/api/v1`;
}

/** Address of a repository in the API. */
export function repositoryApiUrl(repository: TemplateRepository): string {
  return `${apiUrl(repository)}/repos/${repository.owner}/${repository.name}`;
}

/** Address of a branch in the API: what is asked for the head. */
export function branchUrl(repository: TemplateRepository, branch: string): string {
  return `${repositoryApiUrl(repository)}/branches/${encodeRef(branch)}`;
}

/** A ref as part of a path: slashes stay, the servers match the rest of the path. */
export function encodeRef(ref: string): string {
  return ref.split("/").map(encodeURIComponent).join("/");
}

function invalid(url: string, reason: string): GiteaError {
  return new GiteaError(
    "ERR_GITEA_URL_INVALID",
    `${JSON.stringify(withoutSecrets(url))} is not the URL of a repository: ${reason}.`,
    {
      hint: "Give it as https://host/owner/repository, and check MOLECULE_LOCAL_TEMPLATE_REPO_PREFIX.",
    },
  );
}

/** Errors mask well-formed userinfo; what is not a URL may still hold a password before its `@`. */
function withoutSecrets(url: string): string {
  const at = url.lastIndexOf("@");
  const scheme = /^[a-z][a-z0-9+.-]*:\/\//i.exec(url)?.[0] ?? "";
  const shown = at < 0 ? url : `${scheme}***@${url.slice(at + 1)}`;
  return (shown.split(/[?#]/, 1)[0] ?? "").slice(0, 200);
}
