import { createRedactor, systemClock, type Clock, type Redactor } from "@molecule-ai/core";
import type { Dispatcher } from "undici";
import type { CredentialProvider } from "./credential.js";

export interface RegistryClientOptions {
  /** Default: nobody, everywhere. */
  readonly credentials?: CredentialProvider | undefined;
  /** Hosts (with port) to speak to without TLS, besides those on the loopback address. */
  readonly insecureHosts?: readonly string[] | undefined;
  /**
   * Where requests go. Default: an agent of the client's own, closed with it; one that is passed in
   * stays open.
   */
  readonly dispatcher?: Dispatcher | undefined;
  /** Learns every secret and token, and cleans what registries say. Default: one of the client's own. */
  readonly redactor?: Redactor | undefined;
  readonly clock?: Clock | undefined;
  /** Longest wait for the answer to one request that sends nothing, in milliseconds. Default 30 000. */
  readonly timeoutMs?: number | undefined;
  /** Longest silence while a body is sent or read, in milliseconds. Default 120 000. */
  readonly idleTimeoutMs?: number | undefined;
  /** How often what may be repeated is repeated. Default 3. */
  readonly retries?: number | undefined;
  /** Longest wait before a repetition; a registry that asks for more fails the call. Default 10 000. */
  readonly maxRetryDelayMs?: number | undefined;
  /** Source of jitter, in [0, 1). Default `Math.random`. */
  readonly random?: (() => number) | undefined;
}

export interface ResolvedRegistryClientOptions {
  readonly credentials: CredentialProvider;
  readonly insecureHosts: ReadonlySet<string>;
  readonly redactor: Redactor;
  readonly clock: Clock;
  readonly timeoutMs: number;
  readonly idleTimeoutMs: number;
  readonly retries: number;
  readonly maxRetryDelayMs: number;
  readonly random: () => number;
}

export function resolveOptions(options: RegistryClientOptions): ResolvedRegistryClientOptions {
  return {
    credentials: options.credentials ?? (() => Promise.resolve(undefined)),
    insecureHosts: new Set(options.insecureHosts),
    redactor: options.redactor ?? createRedactor(),
    clock: options.clock ?? systemClock,
    timeoutMs: options.timeoutMs ?? 30_000,
    idleTimeoutMs: options.idleTimeoutMs ?? 120_000,
    retries: options.retries ?? 3,
    maxRetryDelayMs: options.maxRetryDelayMs ?? 10_000,
    random: options.random ?? Math.random,
  };
}
