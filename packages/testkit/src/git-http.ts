import type { IncomingMessage } from "node:http";

import { spawnGit, type GitProcess } from "./git-process.js";
import type { Answer } from "./gitea-answer.js";

/**
 * Answers one request of the git smart HTTP protocol by running `git http-backend` as a CGI program.
 * `protocol` says whether the client's protocol version is passed on (Gogs does not).
 */
export async function answerGit(options: {
  readonly request: IncomingMessage;
  readonly projectRoot: string;
  readonly pathInfo: string;
  readonly query: string;
  readonly protocol: boolean;
  readonly onProcess: (process: GitProcess) => void;
}): Promise<Answer> {
  const { request } = options;
  const version = options.protocol ? header(request, "git-protocol") : undefined;
  const git = spawnGit(["http-backend"], {
    GIT_PROJECT_ROOT: options.projectRoot,
    GIT_HTTP_EXPORT_ALL: "1",
    GATEWAY_INTERFACE: "CGI/1.1",
    REQUEST_METHOD: request.method ?? "GET",
    PATH_INFO: options.pathInfo,
    QUERY_STRING: options.query,
    CONTENT_TYPE: header(request, "content-type"),
    CONTENT_LENGTH: header(request, "content-length"),
    HTTP_CONTENT_ENCODING: header(request, "content-encoding"),
    HTTP_GIT_PROTOCOL: version,
    GIT_PROTOCOL: version,
    REMOTE_ADDR: "127.0.0.1",
  });
  options.onProcess(git);
  request.pipe(git.stdin);
  return parseCgi(git);
}

async function parseCgi(git: GitProcess): Promise<Answer> {
  const chunks = git.stdout.iterator() as AsyncIterableIterator<Buffer>;
  let received = Buffer.alloc(0);
  for (;;) {
    const end = received.indexOf("\r\n\r\n");
    if (end >= 0) {
      const headers: Record<string, string> = {};
      for (const line of received.subarray(0, end).toString("latin1").split("\r\n")) {
        const colon = line.indexOf(":");
        headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim();
      }
      const { status = "200", ...rest } = headers;
      return {
        status: Number.parseInt(status, 10),
        headers: rest,
        body: prepend(received.subarray(end + 4), chunks),
      };
    }
    const next = await chunks.next();
    if (next.done === true) {
      const { exitCode, stderr } = await git.ended;
      return {
        status: 500,
        headers: { "content-type": "text/plain" },
        body: Buffer.from(`git http-backend exited with ${exitCode}: ${stderr}`),
      };
    }
    received = Buffer.concat([received, next.value]);
  }
}

async function* prepend(
  first: Buffer,
  rest: AsyncIterableIterator<Buffer>,
): AsyncGenerator<Buffer> {
  if (first.length > 0) yield first;
  yield* rest;
}

function header(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name];
  return Array.isArray(value) ? value[0] : value;
}
