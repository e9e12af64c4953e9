import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** A server on the loopback address that answers as a test tells it to. */
export interface ScriptedRegistry extends AsyncDisposable {
  readonly host: string;
  /** `METHOD path` and the Authorization of every request. */
  readonly requests: { readonly line: string; readonly authorization: string | undefined }[];
}

export async function startScriptedRegistry(
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<ScriptedRegistry> {
  const requests: ScriptedRegistry["requests"] = [];
  const server = createServer((request, response) => {
    const { authorization } = request.headers;
    requests.push({ line: `${request.method} ${request.url}`, authorization });
    response.on("error", () => {});
    answer(request, response);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    host: `127.0.0.1:${port}`,
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
