import type { Agent, IncomingMessage } from "node:http";
import type { Duplex, Readable } from "node:stream";

/** Where the modem connects to. With an `agent` of its own (ssh), host and port are only names. */
export type ModemTarget =
  | { readonly socketPath: string }
  | { readonly protocol: "http" | "https"; readonly host: string; readonly port: number };

export interface ModemCall {
  /** Ends with `?` when there is a query. */
  readonly path: string;
  readonly method: string;
  readonly options: {
    readonly _query: Readonly<Record<string, string>>;
    readonly _body: unknown;
  };
  readonly headers: Record<string, string>;
  readonly file?: Readable | Buffer | undefined;
  readonly hijack?: boolean | undefined;
  readonly abortSignal: AbortSignal;
}

/**
 * dockerode's transport, narrowed to what we use of it: it connects, writes the request and hands
 * over the response untouched. Reading is ours, because its own reader never settles when an answer
 * breaks off, and its progress follower takes a failure for a success.
 */
export interface Modem {
  /** Resolves with the response, or with the socket of an upgraded connection. */
  dial(call: ModemCall): Promise<IncomingMessage | Duplex>;
}

interface DockerodeModem {
  dial(
    call: ModemCall & { readonly isStream: true; readonly statusCodes: object },
    callback: (error: Error | null, result: IncomingMessage | Duplex) => void,
  ): void;
}

// The modem turns statuses it does not know into errors that have lost their headers.
const EVERY_STATUS = new Proxy({}, { get: () => true });

/** Loads dockerode on first use: it costs a tenth of a second that `--version` should not pay. */
export async function createModem(
  target: ModemTarget,
  agent: Agent,
  version: string | undefined,
): Promise<Modem> {
  const { default: Docker } = await import("dockerode");
  const options = {
    // Named one by one, so that nothing of the environment takes their place.
    host: undefined,
    port: undefined,
    protocol: undefined,
    pathPrefix: "/",
    ca: undefined,
    cert: undefined,
    key: undefined,
    timeout: undefined,
    ...target,
    agent,
    ...(version === undefined ? {} : { version: `v${version}` }),
  } as unknown as ConstructorParameters<typeof Docker>[0];
  const modem = new Docker(options).modem as unknown as DockerodeModem;
  return {
    dial: (call) =>
      new Promise((resolve, reject) => {
        modem.dial({ ...call, isStream: true, statusCodes: EVERY_STATUS }, (error, result) => {
          if (error === null) resolve(result);
          else reject(error);
        });
      }),
  };
}
