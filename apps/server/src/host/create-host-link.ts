import { describeFailure, type Clock, type Redactor } from "@molecule-ai/core";
import type { AdmissionPolicy } from "@molecule-ai/image-trust";
import type { ServerConfig } from "../config.js";
import { ServerError } from "../errors.js";
import type { Logger } from "../logger.js";
import { openHost, type OpenHost } from "./open-host.js";
import type { Host, HostLink } from "./host.js";
import { readHostSettings } from "./host-settings.js";

export interface HostLinkOptions {
  readonly config: ServerConfig;
  readonly installId: string;
  /** What images must be; undefined when nothing was said. */
  readonly policy: AdmissionPolicy | undefined;
  readonly redactor: Redactor;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** A link that looks for its engine once it is told to. */
export interface ConnectingHostLink extends HostLink {
  /** Looks for the engine until it answers. `port` is where the server listens. Call it once. */
  connect(options: { readonly port: number }): void;
}

const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 10_000;

/**
 * The way to the engine that the environment names. Throws for settings that no engine could make
 * good; an engine that does not answer is waited for, and said in the log.
 */
export function createHostLink(options: HostLinkOptions): ConnectingHostLink {
  const { clock, logger } = options;
  const settings = readHostSettings(options.config, options);
  for (const warning of settings.warnings) logger.warn({ code: warning.code }, warning.message);
  const over = new AbortController();
  const waiting = new Set<(host: Host) => void>();
  let opened: OpenHost | undefined;
  let lastFailure: ServerError | undefined;
  let looking: Promise<void> = Promise.resolve();

  const look = async (port: number): Promise<void> => {
    let told = "";
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
      try {
        opened = await openHost({ ...options, settings, port, signal: over.signal });
        break;
      } catch (error) {
        if (over.signal.aborted) return;
        const failure = describeFailure(error);
        lastFailure = unavailable(error);
        if (failure.message !== told) {
          logger.warn({ code: failure.code, hint: failure.hint }, failure.message);
        }
        told = failure.message;
      }
      try {
        await clock.sleep(pauseMs, over.signal);
      } catch {
        return;
      }
    }
    const { host } = opened;
    lastFailure = undefined;
    logger.info({ hostId: host.id, engine: host.engine.endpoint.address }, "engine connected");
    for (const resolve of waiting) resolve(host);
    waiting.clear();
  };

  const link: ConnectingHostLink = {
    get host() {
      return opened?.host;
    },
    require() {
      if (opened !== undefined) return opened.host;
      throw lastFailure ?? unavailable(undefined);
    },
    connected({ signal }) {
      if (opened !== undefined) return Promise.resolve(opened.host);
      return new Promise((resolve, reject) => {
        if (signal.aborted) {
          reject(signal.reason as Error);
          return;
        }
        const onAbort = (): void => {
          waiting.delete(done);
          reject(signal.reason as Error);
        };
        const done = (host: Host): void => {
          signal.removeEventListener("abort", onAbort);
          resolve(host);
        };
        signal.addEventListener("abort", onAbort, { once: true });
        waiting.add(done);
      });
    },
    async ping({ signal }) {
      const { engine } = link.require();
      try {
        const answer = await engine.request({
          method: "GET",
          path: "/_ping",
          subject: "Ask the engine whether it is there",
          signal,
        });
        answer.body.resume();
      } catch (error) {
        signal.throwIfAborted();
        throw unavailable(error);
      }
    },
    connect({ port }) {
      looking = look(port);
    },
    async [Symbol.asyncDispose]() {
      over.abort();
      await looking;
      const last = opened;
      opened = undefined;
      await last?.[Symbol.asyncDispose]();
    },
  };
  return link;
}

function unavailable(cause: unknown): ServerError {
  return new ServerError("ERR_ENGINE_UNAVAILABLE", "The container engine does not answer.", {
    hint: "Start it, or set DOCKER_HOST for the server; what was asked for is done once it answers.",
    retryable: true,
    ...(cause === undefined ? {} : { cause }),
  });
}
