import type { Clock, Redactor } from "@molecule-ai/core";
import type { FastifyBaseLogger } from "fastify";
import type { RuntimeRegistry } from "@molecule-ai/registry-mode";
import type { Tokens } from "./access/tokens.js";
import type { ServerConfig } from "./config.js";
import type { HostLink } from "./host/host.js";
import type { OperationQueue } from "./operations/operation.js";
import type { SecretStore } from "./secrets/secret-store.js";
import type { TemplateCatalog } from "./templates/template-catalog.js";
import type { Store } from "./store/open-store.js";

/** What every route and loop may use; wired in `compose.ts`. */
export interface ServerContext {
  readonly config: ServerConfig;
  /** This process, among those that share the store. */
  readonly instanceId: string;
  /** On everything this fleet creates. */
  readonly installId: string;
  readonly store: Store;
  readonly host: HostLink;
  readonly operations: OperationQueue;
  readonly secrets: SecretStore;
  readonly templates: TemplateCatalog;
  readonly tokens: Tokens;
  readonly runtimes: RuntimeRegistry;
  readonly clock: Clock;
  readonly redactor: Redactor;
  readonly logger: FastifyBaseLogger;
  /** Aborts when the server begins to stop: streams end, loops and waits give up. */
  readonly shutdown: AbortSignal;
}
