import { Agent, type ClientRequestArgs } from "node:http";
import { Duplex } from "node:stream";
import { execa } from "execa";
import type { EngineAddress } from "../engine-address.js";
import { hideFromInspection } from "./agent.js";
import { boundedText } from "./text.js";

type SshAddress = Extract<EngineAddress, { kind: "ssh" }>;
type SshProcess = ReturnType<typeof spawnSsh>;

/**
 * Connections through the ssh program and `docker system dial-stdio` on the other side, as the Docker
 * CLI makes them: the user's keys, known hosts and ssh_config apply, and an unknown host is refused.
 */
export function createSshAgent(address: SshAddress, env: Readonly<Record<string, string>>): Agent {
  const agent = new Agent({ keepAlive: true, scheduling: "lifo", maxFreeSockets: 4 });
  const createConnection = (
    _options: ClientRequestArgs,
    callback: (error: Error | null, connection: Duplex) => void,
  ): undefined => {
    callback(null, new SshConnection(spawnSsh(address, env)));
    return undefined;
  };
  return hideFromInspection(Object.assign(agent, { createConnection }));
}

// Its type is long, and only inferred can it stay right.
function spawnSsh(address: SshAddress, env: Readonly<Record<string, string>>) {
  return execa("ssh", sshArguments(address), {
    stdio: ["pipe", "pipe", "pipe"],
    buffer: false,
    reject: false,
    extendEnv: false,
    env,
  });
}

function sshArguments(address: SshAddress): string[] {
  return [
    "-T",
    // Nobody is there to answer a prompt.
    "-o",
    "BatchMode=yes",
    "-o",
    "ConnectTimeout=30",
    ...(address.user === undefined ? [] : ["-l", address.user]),
    ...(address.port === undefined ? [] : ["-p", String(address.port)]),
    "--",
    address.host,
    "docker",
    "system",
    "dial-stdio",
  ];
}

/** A child process as the socket that node:http wants. */
class SshConnection extends Duplex {
  readonly #child: SshProcess;
  #stderr = "";
  #answered = false;

  constructor(child: SshProcess) {
    super();
    this.#child = child;
    child.stdout.on("data", (chunk: Buffer) => {
      this.#answered = true;
      if (!this.push(chunk)) child.stdout.pause();
    });
    child.stderr.on("data", (chunk: Buffer) => {
      if (this.#stderr.length < 4096) this.#stderr += chunk.toString("utf8");
    });
    child.stdin.on("error", () => undefined);
    void child.then((result) => {
      if (result.exitCode === 0 || this.destroyed) {
        this.push(null);
        return;
      }
      const said = boundedText(this.#stderr, 500);
      const failure = new Error(`ssh failed${said === "" ? "" : `: ${said}`}`);
      const code = this.#answered ? "ECONNRESET" : "ECONNREFUSED";
      this.destroy(Object.assign(failure, { code, cause: result }));
    });
  }

  override _read(): void {
    this.#child.stdout.resume();
  }

  override _write(
    chunk: Buffer,
    _encoding: string,
    callback: (error?: Error | null) => void,
  ): void {
    this.#child.stdin.write(chunk, callback);
  }

  override _final(callback: () => void): void {
    this.#child.stdin.end(callback);
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    this.#child.kill("SIGTERM");
    callback(error);
  }

  // What node:http and its agent call on a socket.
  setKeepAlive(): this {
    return this;
  }
  setNoDelay(): this {
    return this;
  }
  setTimeout(): this {
    return this;
  }
  ref(): this {
    return this;
  }
  unref(): this {
    return this;
  }
}
