import { request } from "node:http";

export interface EngineCall {
  readonly method: string;
  /** With its query; without a version prefix the engine's newest API answers. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** JSON is sent as such, bytes as a tar. */
  readonly body?: Buffer | object | undefined;
  readonly timeoutMs?: number | undefined;
}

export interface EngineAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
}

/** One raw HTTP call to an engine socket, whole answer in memory, whatever its status. */
export function callEngine(socketPath: string, call: EngineCall): Promise<EngineAnswer> {
  const body =
    call.body === undefined || Buffer.isBuffer(call.body)
      ? call.body
      : Buffer.from(JSON.stringify(call.body));
  return new Promise((resolve, reject) => {
    const outgoing = request(
      {
        socketPath,
        method: call.method,
        path: call.path,
        agent: false,
        timeout: call.timeoutMs ?? 60_000,
        headers: {
          ...(body === undefined
            ? {}
            : {
                "content-type": body === call.body ? "application/x-tar" : "application/json",
                "content-length": body.length,
              }),
          ...call.headers,
        },
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("error", reject);
        response.on("end", () => {
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body: Buffer.concat(chunks),
          });
        });
      },
    );
    outgoing.on("timeout", () => {
      outgoing.destroy(new Error(`${call.method} ${call.path}: no answer`));
    });
    outgoing.on("error", reject);
    outgoing.end(body);
  });
}

/** As {@link callEngine}, but parsed, and anything other than 2xx throws with the engine's text. */
export async function callEngineJson<T>(socketPath: string, call: EngineCall): Promise<T> {
  const answer = await callEngine(socketPath, call);
  const text = answer.body.toString("utf8");
  if (answer.status < 200 || answer.status > 299) {
    throw new Error(`${call.method} ${call.path}: ${answer.status} ${text.trim()}`);
  }
  return (text === "" ? undefined : JSON.parse(text)) as T;
}
