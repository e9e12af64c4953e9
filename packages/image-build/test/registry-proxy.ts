import { connect, createServer, type AddressInfo, type Socket } from "node:net";

/** A way to a registry that can be broken; it looks like a registry of its own. */
export interface RegistryProxy extends AsyncDisposable {
  readonly host: string;
  /** Bytes that clients have sent on to the registry. */
  readonly sentBytes: number;
  /** After this many more bytes from a client nothing goes on: everything breaks, or stands still. */
  limit(bytes: number, then: "break" | "hold"): void;
  /** Goes on as before. */
  open(): void;
}

export async function startRegistryProxy(registryHost: string): Promise<RegistryProxy> {
  const port = Number(registryHost.split(":")[1]);
  const sockets = new Set<Socket>();
  let sentBytes = 0;
  let left = Infinity;
  let then: "break" | "hold" = "break";
  const breakAll = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  const server = createServer((client) => {
    if (left <= 0 && then === "break") {
      client.destroy();
      return;
    }
    const registry = connect(port, "127.0.0.1");
    for (const socket of [client, registry]) {
      sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => {
        sockets.delete(socket);
        client.destroy();
        registry.destroy();
      });
    }
    registry.pipe(client);
    client.on("data", (chunk) => {
      left -= chunk.length;
      if (left <= 0) {
        if (then === "break") breakAll();
        else client.pause();
        return;
      }
      sentBytes += chunk.length;
      registry.write(chunk);
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    get sentBytes() {
      return sentBytes;
    },
    limit(bytes, what) {
      left = bytes;
      then = what;
    },
    open() {
      left = Infinity;
      breakAll();
    },
    async [Symbol.asyncDispose]() {
      breakAll();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
