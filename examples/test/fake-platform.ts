import { once } from "node:events";
import { createServer, type IncomingHttpHeaders } from "node:http";

export interface PlatformCall {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Record<string, unknown>;
}

export interface PlatformAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: unknown;
}

/** The two registry routes an agent calls, answered by the test. */
export interface FakePlatform extends AsyncDisposable {
  readonly url: string;
  readonly calls: readonly PlatformCall[];
  /** Resolves with the first call (also a past one) that `matches`. */
  call(matches: (call: PlatformCall) => boolean): Promise<PlatformCall>;
}

export async function startPlatform(
  answer: (call: PlatformCall) => PlatformAnswer,
): Promise<FakePlatform> {
  const calls: PlatformCall[] = [];
  const waiting = new Set<() => void>();
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const text = Buffer.concat(chunks).toString();
      const call: PlatformCall = {
        path: request.url ?? "",
        headers: request.headers,
        body: text === "" ? {} : (JSON.parse(text) as Record<string, unknown>),
      };
      const { status, headers, body } = answer(call);
      response.writeHead(status, { "content-type": "application/json", ...headers });
      response.end(JSON.stringify(body));
      calls.push(call);
      for (const wake of waiting) wake();
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return {
    url: `http://127.0.0.1:${address.port}`,
    calls,
    call(matches) {
      return new Promise((resolve) => {
        const look = (): void => {
          const found = calls.find(matches);
          if (found === undefined) return;
          waiting.delete(look);
          resolve(found);
        };
        waiting.add(look);
        look();
      });
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
