import type { Buildx } from "../buildx/buildx.js";
import type { BuilderInfo } from "./builder-info.js";
import type { BuilderRecord } from "./builder-record.js";
import { builderNotStarted } from "./check-endpoint.js";
import { driverOptionsOf, endpointOf, type BuilderRequest } from "./create-args.js";
import { inspectBuilder, type InspectAnswer } from "./inspect.js";

/** What is asked for and remembered of a builder. */
export interface KnownBuilder {
  readonly record: BuilderRecord | undefined;
  /** Digest of what is asked for. */
  readonly settings: string;
  /** Of the daemon, where it is asked for. */
  readonly config: string | undefined;
}

/** Whether there is such a builder. */
export type ExistingBuilder =
  | { readonly kind: "usable"; readonly info: BuilderInfo }
  | { readonly kind: "replaceable"; readonly reason: string; readonly keepCache: boolean }
  | { readonly kind: "absent" };

/**
 * Looks for the builder of a request and starts it when it is the one that is asked for. One that is
 * to be replaced is not started first: it may be one that hangs.
 */
export async function findExisting(
  {
    buildx,
    request,
    signal,
    bootstrap,
  }: {
    readonly buildx: Buildx;
    readonly request: BuilderRequest;
    readonly signal: AbortSignal;
    readonly bootstrap: () => Promise<InspectAnswer>;
  },
  known: KnownBuilder,
): Promise<ExistingBuilder> {
  const { name, driver } = request;
  const { record } = known;
  const replaceable = (reason: string, oldDriver: string | undefined): ExistingBuilder => ({
    kind: "replaceable",
    reason,
    keepCache: driver === "docker-container" && oldDriver === driver,
  });
  if (request.recreate === true) return replaceable("that was asked for", record?.driver);
  if (typeof record?.settings === "string" && record.settings !== known.settings) {
    return replaceable(whyOther(record, request), record.driver);
  }
  if (record?.settings !== known.settings) {
    const existing = await inspectBuilder({ buildx, name, signal });
    if (existing === undefined) return { kind: "absent" };
    const reason = whyReplaced(existing, request, known);
    if (reason !== undefined) return replaceable(reason, existing.driver);
  }
  const answer = await bootstrap();
  if (answer.kind === "absent") return answer;
  if (answer.kind === "found") {
    const reason = whyReplaced(answer.info, request, known);
    return reason === undefined
      ? { kind: "usable", info: answer.info }
      : replaceable(reason, answer.info.driver);
  }
  // A daemon elsewhere would not answer a new builder either; a container may be broken.
  if (driver === "remote") throw builderNotStarted(request, answer.complaint);
  return replaceable(`it does not start: ${answer.complaint}`, driver);
}

function whyOther(
  old: { readonly driver: string; readonly endpoint: string },
  request: BuilderRequest,
): string {
  if (old.driver !== request.driver) return `its driver is ${old.driver || "unknown"}`;
  if (old.endpoint !== endpointOf(request)) return `its endpoint is ${old.endpoint || "unknown"}`;
  return "its settings have changed";
}

function whyReplaced(
  existing: BuilderInfo,
  request: BuilderRequest,
  known: KnownBuilder,
): string | undefined {
  const { driver, nodes } = existing;
  const [node] = nodes;
  if (node === undefined || nodes.length > 1) return `it has ${nodes.length} nodes`;
  if (driver !== request.driver || node.endpoint !== endpointOf(request)) {
    return whyOther({ driver, endpoint: node.endpoint }, request);
  }
  const wanted = driverOptionsOf(request);
  const names = new Set([...Object.keys(wanted), ...Object.keys(node.driverOptions)]);
  const different = [...names].filter((name) => wanted[name] !== node.driverOptions[name]);
  if (different.length > 0) return `it has another setting of ${different.sort().join(", ")}`;
  // buildx does not tell the configuration of a builder that we did not make.
  const isKnown = known.config === undefined || known.record?.settings === known.settings;
  return isKnown ? undefined : "its configuration is not known";
}
