import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { request } from "node:http";
import { createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { createServer as createTlsServer } from "node:tls";
import { createTestCertificates } from "./test-certificates.js";

/** A BuildKit daemon on a loopback port; disposing breaks its connections and stops it. */
export interface BuildkitBridge extends AsyncDisposable {
  /** `tcp://127.0.0.1:port`, as `buildx create --driver remote` takes it. */
  readonly address: string;
  readonly port: number;
  /** Holds the client's `ca.pem`, `cert.pem` and `key.pem`; undefined without TLS. */
  readonly certificates: string | undefined;
  /** How many are open now. */
  readonly connections: number;
  /** How many there ever were. */
  readonly accepted: number;
  /** Breaks every connection, as a daemon does that is killed; new ones are taken. */
  cut(): void;
}

export interface BuildkitBridgeOptions {
  /** Of the engine whose own BuildKit it serves. */
  readonly socketPath: string;
  /** Takes only clients that show the certificate in `certificates`. */
  readonly tls?: boolean | undefined;
}

/**
 * Serves the BuildKit inside a Docker engine as a daemon of its own: every connection is carried to
 * the engine's `POST /grpc`. It is a real BuildKit with fewer exporters than buildkitd: it refuses
 * `--load` and every cache export but `inline`.
 */
export async function startBuildkitBridge(options: BuildkitBridgeOptions): Promise<BuildkitBridge> {
  const directory =
    options.tls === true ? await mkdtemp(join(tmpdir(), "molecule-buildkit-")) : undefined;
  const open = new Set<Socket>();
  let accepted = 0;
  // Before any handshake, so that no connection outlives the bridge.
  const track = (connection: Socket): void => {
    accepted += 1;
    open.add(connection);
    connection.on("close", () => open.delete(connection));
  };
  const accept = (client: Socket): void => {
    client.on("error", () => client.destroy());
    carry(client, options.socketPath);
  };
  const cut = (): void => {
    for (const connection of open) connection.destroy();
  };
  try {
    const server = await createBridgeServer(directory, accept);
    server.on("connection", track);
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    return {
      address: `tcp://127.0.0.1:${port}`,
      port,
      certificates: directory,
      get connections() {
        return open.size;
      },
      get accepted() {
        return accepted;
      },
      cut,
      async [Symbol.asyncDispose]() {
        const closed = server.listening ? once(server, "close") : undefined;
        server.close();
        cut();
        await closed;
        if (directory !== undefined) await rm(directory, { recursive: true, force: true });
      },
    };
  } catch (error) {
    if (directory !== undefined) await rm(directory, { recursive: true, force: true });
    throw error;
  }
}

async function createBridgeServer(
  directory: string | undefined,
  accept: (client: Socket) => void,
): Promise<Server> {
  if (directory === undefined) return createServer(accept);
  const certificate = await createTestCertificates(directory);
  return createTlsServer(
    { ...certificate, requestCert: true, rejectUnauthorized: true, ALPNProtocols: ["h2"] },
    accept,
  );
}

function carry(client: Socket, socketPath: string): void {
  const outgoing = request({
    socketPath,
    method: "POST",
    path: "/grpc",
    headers: { connection: "Upgrade", upgrade: "h2c" },
    agent: false,
  });
  outgoing.on("upgrade", (_answer, engine: Duplex, head: Buffer) => {
    if (head.length > 0) engine.unshift(head);
    engine.on("error", () => client.destroy());
    engine.on("close", () => client.destroy());
    client.on("close", () => engine.destroy());
    client.pipe(engine).pipe(client);
    if (client.destroyed) engine.destroy();
  });
  outgoing.on("response", () => client.destroy());
  outgoing.on("error", () => client.destroy());
  outgoing.end();
}
