import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

import type { TestFiles } from "./git-files.js";
import type { GitProcess } from "./git-process.js";
import { createGitRepository, type GitRepository } from "./git-repository.js";
import { htmlAnswer, sendAnswer } from "./gitea-answer.js";
import type { GiteaFlavour, HostedRepository } from "./gitea-api.js";
import { FaultPlan, type GiteaFault, type GiteaPart } from "./gitea-fault.js";
import { handleRequest, type GiteaHost } from "./gitea-handler.js";
import { routeOf } from "./gitea-route.js";

const NAME = /^[A-Za-z0-9_-][A-Za-z0-9._-]*$/;

export interface GiteaServerOptions {
  /** Whose API is spoken. Default `gitea`. */
  readonly flavour?: GiteaFlavour | undefined;
  /** The one token that is known; without it every credential is refused. */
  readonly token?: string | undefined;
  /** Path of the server below its origin, for example `/git`. Default: the root. */
  readonly basePath?: string | undefined;
  /** Address to listen on. Default `127.0.0.1`. */
  readonly host?: string | undefined;
  /** Default: any free port. */
  readonly port?: number | undefined;
}

/** One request as it came in. */
export interface GiteaRequestRecord {
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  /** Undefined outside the base path. */
  readonly part: GiteaPart | undefined;
  /** Value of the Authorization header, if there was one. */
  readonly authorization: string | undefined;
}

export interface TestRepository extends GitRepository {
  /** Clone URL, without `.git`. */
  readonly url: string;
  readonly owner: string;
  readonly name: string;
}

export interface GiteaServer extends AsyncDisposable {
  /** `http://127.0.0.1:port`. */
  readonly origin: string;
  /** {@link origin} and the base path: what repository URLs start with. */
  readonly baseUrl: string;
  /** Every request in the order of arrival. */
  readonly requests: readonly GiteaRequestRecord[];
  /** Requests that followed a `redirect` to the other origin, which serves the same repositories. */
  readonly strayRequests: readonly GiteaRequestRecord[];
  /** How many git processes work for requests at this moment. */
  readonly activeProcesses: number;
  /**
   * Makes a repository and its first commit (none without `files`). The same files give the same
   * commit on every run. Owner `molecule-ai`, branch `main` and public unless told otherwise.
   */
  createRepository(repository: {
    readonly owner?: string | undefined;
    readonly name: string;
    readonly defaultBranch?: string | undefined;
    readonly private?: boolean | undefined;
    readonly objectFormat?: "sha1" | "sha256" | undefined;
    readonly files?: TestFiles | undefined;
  }): Promise<TestRepository>;
  /** From now on this goes wrong; `undefined` ends it. */
  setFault(fault: GiteaFault | undefined): void;
}

/**
 * Starts a server that speaks the reading part of the Gitea, Forgejo or Gogs API and the git smart
 * HTTP protocol, over real bare repositories in a temporary directory. Needs git 2.38 or newer.
 *
 * Disposing it ends its connections and its git processes and removes the repositories.
 */
export async function startGiteaServer(options: GiteaServerOptions = {}): Promise<GiteaServer> {
  const flavour = options.flavour ?? "gitea";
  const basePath = (options.basePath ?? "").replace(/\/+$/, "");
  const repositories = new Map<string, HostedRepository>();
  const processes = new Set<GitProcess>();
  const requests: GiteaRequestRecord[] = [];
  const strayRequests: GiteaRequestRecord[] = [];
  const faults = new FaultPlan();

  const listener =
    (records: GiteaRequestRecord[]): RequestListener =>
    (request, response) => {
      const route = routeOf(request, basePath);
      records.push({
        method: request.method ?? "GET",
        path: request.url ?? "/",
        part: route?.part,
        authorization: request.headers.authorization,
      });
      if (route === undefined) {
        void sendAnswer(response, htmlAnswer(404, "Not Found"));
        return;
      }
      const fault = records === requests ? faults.take(route) : undefined;
      const started = new Set<GitProcess>();
      // Closed when all is sent and also when the client has gone: either way git is done.
      response.once("close", () => {
        for (const process of started) process.kill();
      });
      handleRequest(host, request, response, route, fault, (process) => {
        started.add(process);
        processes.add(process);
        void process.ended.then(() => processes.delete(process));
        if (response.destroyed) process.kill();
      }).catch((error: unknown) => {
        // The client sees a dropped connection; the reason is for whoever wrote the server.
        response.destroy(error as Error);
      });
    };

  let stray: Promise<{ readonly server: Server; readonly origin: string }> | undefined;
  const startStray = async (): Promise<{ server: Server; origin: string }> => {
    const server = createServer(listener(strayRequests));
    return { server, origin: await listen(server, "127.0.0.1", 0) };
  };

  const root = await mkdtemp(join(tmpdir(), "molecule-gitea-"));
  const main = createServer(listener(requests));
  let origin: string;
  try {
    origin = await listen(main, options.host ?? "127.0.0.1", options.port ?? 0);
  } catch (error) {
    await rm(root, { recursive: true, force: true, maxRetries: 3 });
    throw error;
  }
  const baseUrl = `${origin}${basePath}`;
  const host: GiteaHost = {
    flavour,
    token: options.token,
    root,
    baseUrl,
    find: (owner, name) => repositories.get(`${owner}/${name}`.toLowerCase()),
    strayOrigin: async () => (await (stray ??= startStray())).origin,
  };

  const close = async (): Promise<void> => {
    await stop(main);
    if (stray !== undefined) await stop((await stray).server);
    for (const process of processes) process.kill();
    await Promise.all([...processes].map((process) => process.ended));
    await rm(root, { recursive: true, force: true, maxRetries: 3 });
  };
  let closed: Promise<void> | undefined;

  return {
    origin,
    baseUrl,
    requests,
    strayRequests,
    get activeProcesses() {
      return processes.size;
    },
    async createRepository({ owner = "molecule-ai", name, files, ...rest }) {
      if (!NAME.test(owner) || !NAME.test(name) || name.endsWith(".git")) {
        throw new TypeError(`not a repository name: ${owner}/${name}`);
      }
      if (host.find(owner, name) !== undefined) {
        throw new TypeError(`repository exists already: ${owner}/${name}`);
      }
      const git = await createGitRepository({
        directory: join(root, owner, `${name}.git`),
        defaultBranch: rest.defaultBranch ?? "main",
        objectFormat: rest.objectFormat,
        // Gitea and Forgejo switch it on for partial clones; Gogs does not know it.
        anyCommit: flavour !== "gogs",
      });
      if (files !== undefined) await git.commit(files);
      const url = `${baseUrl}/${owner}/${name}`;
      repositories.set(`${owner}/${name}`.toLowerCase(), {
        git,
        id: repositories.size + 1,
        owner,
        name,
        isPrivate: rest.private ?? false,
        url,
      });
      return { ...git, url, owner, name };
    },
    setFault: (fault) => {
      faults.set(fault);
    },
    [Symbol.asyncDispose]: () => (closed ??= close()),
  };
}

async function listen(server: Server, host: string, port: number): Promise<string> {
  server.listen(port, host);
  await once(server, "listening");
  const { port: bound } = server.address() as AddressInfo;
  const name = host === "0.0.0.0" || host === "::" ? "127.0.0.1" : host;
  return `http://${name.includes(":") ? `[${name}]` : name}:${bound}`;
}

async function stop(server: Server): Promise<void> {
  const closed = once(server, "close");
  server.close();
  server.closeAllConnections();
  await closed;
}
