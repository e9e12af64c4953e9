import { Agent, request, type IncomingMessage } from "node:http";

/** The Engine API by hand: one keep-alive socket pool, no checks, no types. The yardstick. */
export class RawEngine implements Disposable {
  readonly #agent: Agent;
  readonly #socketPath: string;

  constructor(socketPath: string, maxSockets = 1) {
    this.#socketPath = socketPath;
    this.#agent = new Agent({ keepAlive: true, maxSockets });
  }

  async json<T = unknown>(method: string, path: string, body?: unknown): Promise<T> {
    const text = await this.send(
      method,
      path,
      body === undefined ? undefined : Buffer.from(JSON.stringify(body)),
      "application/json",
    );
    return (text === "" ? undefined : JSON.parse(text)) as T;
  }

  async send(
    method: string,
    path: string,
    body?: Buffer | NodeJS.ReadableStream,
    contentType = "application/x-tar",
  ): Promise<string> {
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const call = request(
        {
          socketPath: this.#socketPath,
          agent: this.#agent,
          method,
          path: `/v1.41${path}`,
          headers: body === undefined ? {} : { "content-type": contentType },
        },
        resolve,
      );
      call.on("error", reject);
      if (body === undefined || Buffer.isBuffer(body)) call.end(body);
      else body.pipe(call);
    });
    const chunks: Buffer[] = [];
    for await (const chunk of response) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString();
    if ((response.statusCode ?? 500) >= 400) {
      throw new Error(`${method} ${path}: ${response.statusCode} ${text}`);
    }
    return text;
  }

  [Symbol.dispose](): void {
    this.#agent.destroy();
  }
}
