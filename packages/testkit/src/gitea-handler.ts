import type { IncomingMessage, ServerResponse } from "node:http";

import { systemClock } from "@molecule-ai/core";

import { answerGit } from "./git-http.js";
import type { GitProcess } from "./git-process.js";
import { htmlAnswer, jsonAnswer, sendAnswer, type Answer } from "./gitea-answer.js";
import { answerApi, answerArchive, type GiteaFlavour, type HostedRepository } from "./gitea-api.js";
import { answerInstead, cutOf, reshape, type GiteaFault } from "./gitea-fault.js";
import { callerOf, type GiteaRoute } from "./gitea-route.js";

/** What a handler knows of its server. */
export interface GiteaHost {
  readonly flavour: GiteaFlavour;
  readonly token: string | undefined;
  /** Directory above the bare repositories. */
  readonly root: string;
  /** Origin and base path. */
  readonly baseUrl: string;
  readonly find: (owner: string, name: string) => HostedRepository | undefined;
  /** Origin of the second server that `redirect` points to. */
  readonly strayOrigin: () => Promise<string>;
}

/** Answers one request, struck by `fault` if there is one. */
export async function handleRequest(
  host: GiteaHost,
  request: IncomingMessage,
  response: ServerResponse,
  route: GiteaRoute,
  fault: GiteaFault | undefined,
  onProcess: (process: GitProcess) => void,
): Promise<void> {
  if (fault?.kind === "drop-connection") {
    response.destroy();
    return;
  }
  if (fault?.kind === "slow") {
    const gone = new AbortController();
    response.once("close", () => gone.abort());
    await systemClock.sleep(fault.delayMs, gone.signal);
  }
  const target =
    fault?.kind === "redirect" && fault.to === undefined
      ? `${await host.strayOrigin()}${request.url}`
      : "";
  const instead = answerInstead(fault, target);
  if (instead !== undefined) {
    await sendAnswer(response, instead);
    return;
  }
  const answer = route.isApi
    ? await answerApiRequest(host, request, route, onProcess)
    : await answerPage(host, request, route, onProcess);
  if (fault?.kind === "moving-head" && answer.status === 200) {
    const [, owner = "", name = "", , ...branch] = route.segments;
    await host
      .find(owner, name)
      ?.git.commit(fault.files ?? { "MOVED.md": "a later commit\n" }, { branch: branch.join("/") });
  }
  await sendAnswer(response, reshape(answer, fault), cutOf(fault));
}

async function answerApiRequest(
  host: GiteaHost,
  request: IncomingMessage,
  route: GiteaRoute,
  onProcess: (process: GitProcess) => void,
): Promise<Answer> {
  if (request.method !== "GET") return jsonAnswer(405, { message: "Method Not Allowed" });
  return answerApi({
    flavour: host.flavour,
    caller: callerOf(request, host.token, true),
    segments: route.segments,
    apiUrl: `${host.baseUrl}/api`,
    find: host.find,
    onProcess,
  });
}

async function answerPage(
  host: GiteaHost,
  request: IncomingMessage,
  route: GiteaRoute,
  onProcess: (process: GitProcess) => void,
): Promise<Answer> {
  const [owner = "", rawName = "", ...rest] = route.segments;
  const repository = host.find(owner, rawName.replace(/\.git$/, ""));
  const caller = callerOf(request, host.token, false);

  if (route.part === "archive") {
    const revision = rest
      .slice(1)
      .join("/")
      .replace(/\.tar\.gz$/, "");
    const isHidden = repository === undefined || (repository.isPrivate && caller !== "known");
    const answer = isHidden ? undefined : await answerArchive({ onProcess }, repository, revision);
    return answer ?? htmlAnswer(404, "Not Found");
  }

  // A repository that does not exist asks for a sign-in as a private one does, and tells nothing.
  const isOpen = repository !== undefined && !repository.isPrivate;
  if (caller === "refused" || (caller !== "known" && !isOpen)) {
    return {
      status: 401,
      headers: { "www-authenticate": 'Basic realm="Gitea"', "content-type": "text/plain" },
      body: Buffer.from("Unauthorized\n"),
    };
  }
  if (repository === undefined) return htmlAnswer(404, "Not Found");
  const action = rest.join("/");
  const isFetch =
    action === "git-upload-pack" ||
    (action === "info/refs" && route.query.get("service") === "git-upload-pack");
  if (!isFetch) return htmlAnswer(403, "This server is read-only");
  return answerGit({
    request,
    projectRoot: host.root,
    pathInfo: `/${repository.owner}/${repository.name}.git/${action}`,
    query: route.query.toString(),
    protocol: host.flavour !== "gogs",
    onProcess,
  });
}
