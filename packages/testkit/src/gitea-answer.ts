import { once } from "node:events";
import type { ServerResponse } from "node:http";

/** What a request is answered with; a body of bytes gets a Content-Length, a stream does not. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array | AsyncIterable<Uint8Array>;
}

/** Where a body ends before its end: the connection is dropped, or stays open in silence. */
export interface Cut {
  readonly afterBytes: number;
  readonly ending: "drop" | "stall";
}

export function jsonAnswer(status: number, value: unknown, indent?: number): Answer {
  return {
    status,
    headers: { "content-type": "application/json;charset=utf-8" },
    body: Buffer.from(JSON.stringify(value, undefined, indent)),
  };
}

export function htmlAnswer(status: number, title: string): Answer {
  return {
    status,
    headers: { "content-type": "text/html; charset=utf-8" },
    body: Buffer.from(
      `<!DOCTYPE html>\n<html><head><title>${title}</title></head><body>${title}</body></html>\n`,
    ),
  };
}

/** Sends an answer with backpressure. Settles when it is sent, cut or the client has gone. */
export async function sendAnswer(
  response: ServerResponse,
  answer: Answer,
  cut?: Cut,
): Promise<void> {
  const whole = answer.body instanceof Uint8Array;
  response.writeHead(answer.status, {
    ...answer.headers,
    ...(whole ? { "content-length": answer.body.byteLength } : {}),
  });
  const chunks = answer.body instanceof Uint8Array ? [answer.body] : answer.body;
  let left = cut?.afterBytes ?? Number.POSITIVE_INFINITY;
  for await (const chunk of chunks) {
    if (chunk.byteLength >= left) {
      await write(response, chunk.subarray(0, left));
      if (cut?.ending === "drop") response.destroy();
      else if (!response.destroyed) await once(response, "close");
      return;
    }
    left -= chunk.byteLength;
    await write(response, chunk);
    if (response.destroyed) return;
  }
  response.end();
}

async function write(response: ServerResponse, chunk: Uint8Array): Promise<void> {
  if (response.destroyed) return;
  await new Promise<void>((resolve) => {
    response.once("close", resolve);
    response.write(chunk, () => {
      response.off("close", resolve);
      resolve();
    });
  });
}
