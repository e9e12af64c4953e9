import { mkdtemp, rm } from "node:fs/promises";
import {
  Agent,
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from "node:http";
import { connect, type AddressInfo, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { createRandom } from "./random.js";

/** What happens to one request. */
export type Fault =
  /** The engine is asked only after `ms`. */
  | { readonly kind: "delay"; readonly ms: number }
  /** No answer, ever; the engine is not asked. */
  | { readonly kind: "hang" }
  /** The connection is closed; the engine never saw the request. */
  | { readonly kind: "drop-request" }
  /** The engine did what was asked, but the connection is closed before its answer. */
  | { readonly kind: "drop-answer" }
  /** The engine did what was asked, but its answer never comes; the connection stays. */
  | { readonly kind: "hold-answer" }
  /** The answer ends properly after `bytes` of its body, as HTTP goes: only its content is cut. */
  | { readonly kind: "truncate"; readonly bytes: number }
  /** The connection breaks after `bytes` of the body. */
  | { readonly kind: "eof"; readonly bytes: number }
  /** This answer, with the engine not asked. An object is sent as JSON. */
  | {
      readonly kind: "answer";
      readonly status: number;
      readonly body?: object | string | undefined;
    };

export interface FaultRule {
  /** Any method when absent. */
  readonly method?: string | undefined;
  /** Tested against path and query, version prefix included. */
  readonly path: RegExp;
  /** Matching requests let through first; default 0. */
  readonly skip?: number | undefined;
  /** How often the fault strikes; default for ever. */
  readonly times?: number | undefined;
  readonly fault: Fault;
}

export interface ChaosOptions {
  /** The same seed gives the same faults for the same sequence of requests. */
  readonly seed: number;
  /** Share of requests that get a fault, 0 to 1. */
  readonly rate: number;
  readonly faults: readonly Fault[];
  /** Only requests whose path matches; default all. */
  readonly path?: RegExp | undefined;
}

export interface ProxiedRequest {
  readonly method: string;
  readonly path: string;
  readonly fault: Fault["kind"] | undefined;
  /** The engine has ended its answer, whatever became of it here; of an upgrade, it has agreed. */
  readonly isAnswered: boolean;
}

/** A socket in front of an engine's socket that breaks what it is told to break. */
export interface FaultProxy extends AsyncDisposable {
  readonly socketPath: string;
  /** `unix://…` */
  readonly dockerHost: string;
  /** `tcp://127.0.0.1:port` */
  readonly tcpDockerHost: string;
  /** Every request so far, in order of arrival. */
  readonly requests: readonly ProxiedRequest[];
  /** Connections that clients hold open now. */
  readonly connections: number;
  /** Adds a rule, the first matching one wins; the result removes it. */
  add(rule: FaultRule): () => void;
  /** Removes all rules and the random mode. */
  clear(): void;
  /** Random faults for requests that no rule matches. */
  chaos(options: ChaosOptions): void;
  /** Breaks every open connection. */
  breakConnections(): void;
}

/**
 * Starts a {@link FaultProxy} on a fresh unix socket and a loopback port. Bodies stream both ways,
 * and upgraded connections (exec, attach) are carried as they are.
 */
export async function startFaultProxy(options: {
  readonly socketPath: string;
}): Promise<FaultProxy> {
  const directory = await mkdtemp(join(tmpdir(), "molecule-proxy-"));
  const socketPath = join(directory, "engine.sock");
  const agent = new Agent({ keepAlive: true });
  const requests: Taken[] = [];
  const sockets = new Set<Socket>();
  const rules: { readonly rule: FaultRule; skip: number; left: number }[] = [];
  let random: (ChaosOptions & { readonly next: () => number }) | undefined;

  const faultFor = (method: string, path: string): Fault | undefined => {
    for (const entry of rules) {
      if (entry.left === 0 || !matches(entry.rule, method, path)) continue;
      if (entry.skip > 0) {
        entry.skip -= 1;
        continue;
      }
      entry.left -= 1;
      return entry.rule.fault;
    }
    if (random === undefined || random.path?.test(path) === false) return undefined;
    if (random.next() >= random.rate) return undefined;
    return random.faults[Math.floor(random.next() * random.faults.length)];
  };

  const take = (request: IncomingMessage): { fault: Fault | undefined; taken: Taken } => {
    const method = request.method ?? "GET";
    const path = request.url ?? "/";
    const fault = faultFor(method, path);
    const taken: Taken = { method, path, fault: fault?.kind, isAnswered: false };
    requests.push(taken);
    return { fault, taken };
  };

  const onRequest = (request: IncomingMessage, response: ServerResponse): void => {
    const { fault, taken } = take(request);
    switch (fault?.kind) {
      case "hang":
        return;
      case "drop-request":
        request.socket.destroy();
        return;
      case "answer":
        request.resume();
        response.writeHead(fault.status, { "content-type": "application/json" });
        response.end(textOf(fault.body));
        return;
      case "delay":
        setTimeout(() => {
          if (!request.socket.destroyed) forward(request, response, undefined, taken);
        }, fault.ms);
        return;
      case "drop-answer":
      case "hold-answer":
      case "truncate":
      case "eof":
      case undefined:
        forward(request, response, fault, taken);
    }
  };

  const forward = (
    request: IncomingMessage,
    response: ServerResponse,
    fault: Fault | undefined,
    taken: Taken,
  ): void => {
    const outgoing = httpRequest({
      socketPath: options.socketPath,
      method: request.method,
      path: request.url,
      headers: request.headers,
      agent,
    });
    outgoing.on("response", (answer) => {
      // The engine answers a stream at once but works until it ends.
      answer.on("end", () => (taken.isAnswered = true));
      if (fault?.kind === "hold-answer") {
        answer.resume();
        return;
      }
      if (fault?.kind === "drop-answer") {
        answer.resume();
        answer.on("close", () => request.socket.destroy());
        return;
      }
      const headers = { ...answer.headers };
      if (fault?.kind === "truncate") delete headers["content-length"];
      response.writeHead(answer.statusCode ?? 502, headers);
      // Streams such as logs and events send their headers long before their first byte.
      response.flushHeaders();
      relay(answer, response, fault);
    });
    outgoing.on("error", () => request.socket.destroy());
    response.on("close", () => {
      if (!response.writableFinished) outgoing.destroy();
    });
    request.pipe(outgoing);
  };

  const onUpgrade = (request: IncomingMessage, client: Duplex, head: Buffer): void => {
    const { fault, taken } = take(request);
    switch (fault?.kind) {
      case "hang":
        return;
      case "drop-request":
        client.destroy();
        return;
      case "answer": {
        const body = textOf(fault.body);
        client.end(
          `HTTP/1.1 ${fault.status} Fault\r\nContent-Type: application/json\r\n` +
            `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
        );
        return;
      }
      case "delay":
        setTimeout(() => {
          if (!client.destroyed) tunnel(request, client, head, undefined, taken);
        }, fault.ms);
        return;
      case "drop-answer":
      case "hold-answer":
      case "truncate":
      case "eof":
      case undefined:
        tunnel(request, client, head, fault, taken);
    }
  };

  const tunnel = (
    request: IncomingMessage,
    client: Duplex,
    head: Buffer,
    fault: Fault | undefined,
    taken: Taken,
  ): void => {
    const engine = connect({ path: options.socketPath, allowHalfOpen: true });
    sockets.add(engine);
    const lines = [`${request.method} ${request.url} HTTP/1.1`];
    for (let i = 0; i + 1 < request.rawHeaders.length; i += 2) {
      lines.push(`${request.rawHeaders[i]}: ${request.rawHeaders[i + 1]}`);
    }
    engine.write(`${lines.join("\r\n")}\r\n\r\n`);
    // Node gives whatever followed the header: the request's own body comes first.
    if (head.length > 0) engine.write(head);
    client.pipe(engine);
    engine.once("data", () => (taken.isAnswered = true));
    let left = fault?.kind === "truncate" || fault?.kind === "eof" ? fault.bytes : Infinity;
    if (fault?.kind === "drop-answer") {
      engine.once("data", () => {
        client.destroy();
        engine.destroy();
      });
    } else if (fault?.kind === "hold-answer") {
      engine.resume();
    } else if (left === Infinity) {
      engine.pipe(client);
    } else {
      // Counted after the header of the answer.
      let header: Buffer | undefined = Buffer.alloc(0);
      engine.on("data", (chunk: Buffer) => {
        let body = chunk;
        if (header !== undefined) {
          header = Buffer.concat([header, chunk]);
          const end = header.indexOf("\r\n\r\n");
          if (end < 0) return;
          client.write(header.subarray(0, end + 4));
          body = header.subarray(end + 4);
          header = undefined;
        }
        client.write(body.subarray(0, left));
        left -= body.length;
        if (left > 0) return;
        if (fault?.kind === "truncate") client.end();
        else client.destroy();
        engine.destroy();
      });
      engine.on("end", () => client.end());
    }
    const close = (): void => {
      client.destroy();
      engine.destroy();
      sockets.delete(engine);
    };
    client.on("error", close);
    client.on("close", close);
    engine.on("error", close);
    engine.on("close", close);
  };

  const clients = new Set<Socket>();
  const servers = [createServer(), createServer()] as const;
  for (const server of servers) {
    server.on("connection", (socket) => {
      clients.add(socket);
      socket.on("error", () => undefined);
      socket.on("close", () => clients.delete(socket));
    });
    server.on("request", onRequest);
    server.on("upgrade", onUpgrade);
    // The tests decide how long something takes.
    server.requestTimeout = 0;
    server.headersTimeout = 0;
    server.keepAliveTimeout = 0;
  }
  const breakConnections = (): void => {
    for (const socket of [...clients, ...sockets]) socket.destroy();
  };
  await listen(servers[0], { path: socketPath });
  await listen(servers[1], { port: 0, host: "127.0.0.1" });

  return {
    socketPath,
    dockerHost: `unix://${socketPath}`,
    tcpDockerHost: `tcp://127.0.0.1:${(servers[1].address() as AddressInfo).port}`,
    requests,
    get connections() {
      return clients.size;
    },
    add(rule) {
      const entry = { rule, skip: rule.skip ?? 0, left: rule.times ?? -1 };
      rules.push(entry);
      return () => {
        const index = rules.indexOf(entry);
        if (index >= 0) rules.splice(index, 1);
      };
    },
    clear() {
      rules.length = 0;
      random = undefined;
    },
    chaos(chaosOptions) {
      random = { ...chaosOptions, next: createRandom(chaosOptions.seed) };
    },
    breakConnections,
    async [Symbol.asyncDispose]() {
      breakConnections();
      await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
      agent.destroy();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** A request as the proxy keeps it. */
type Taken = { -readonly [Key in keyof ProxiedRequest]: ProxiedRequest[Key] };

function matches(rule: FaultRule, method: string, path: string): boolean {
  return (rule.method === undefined || rule.method === method) && rule.path.test(path);
}

function textOf(body: object | string | undefined): string {
  if (typeof body === "string") return body;
  return JSON.stringify(body ?? { message: "injected fault" });
}

function relay(answer: IncomingMessage, response: ServerResponse, fault: Fault | undefined): void {
  answer.on("error", () => response.destroy());
  if (fault?.kind !== "truncate" && fault?.kind !== "eof") {
    answer.pipe(response);
    return;
  }
  let left = fault.bytes;
  let cut = false;
  const stop = (): void => {
    answer.destroy();
    if (fault.kind === "truncate") response.end();
    else response.socket?.destroy();
  };
  answer.on("data", (chunk: Buffer) => {
    if (cut) return;
    const part = chunk.subarray(0, left);
    left -= part.length;
    if (left > 0) {
      response.write(part);
      return;
    }
    cut = true;
    // Cutting waits for the bytes before the cut to be sent.
    response.write(part, stop);
  });
  answer.on("end", () => {
    if (!cut) stop();
  });
}

function listen(
  server: Server,
  where: { path: string } | { port: number; host: string },
): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(where, resolve);
  });
}
