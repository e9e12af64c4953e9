import type {
  BuildStatus,
  BuildVertex,
  ProvisionEvent,
  PullProgress,
  PushProgress,
  Stage,
} from "@molecule-ai/core";
import { formatBytes } from "./quantity.js";

/** A layer on its way from or to a registry. */
type LayerProgress = PullProgress | PushProgress;

/** One stage that is under way, and the newest that is known of it. */
export interface StageView {
  readonly stage: Stage;
  readonly subject: string;
  readonly startedAt: number;
  readonly layers: Map<string, LayerProgress>;
  /** Steps that run now, in the order they began. */
  readonly running: Map<string, BuildVertex>;
  readonly statuses: Map<string, BuildStatus>;
  lastLog: string | undefined;
  waitingFor: string | undefined;
}

export function createStageView(stage: Stage, subject: string, startedAt: number): StageView {
  return {
    stage,
    subject,
    startedAt,
    layers: new Map(),
    running: new Map(),
    statuses: new Map(),
    lastLog: undefined,
    waitingFor: undefined,
  };
}

/** Takes an event into the view of the stage it belongs to. */
export function updateStageView(view: StageView, event: ProvisionEvent): void {
  switch (event.type) {
    case "pull.layer":
    case "push.layer": {
      // Only messages about moving bytes tell how many there are.
      const totalBytes = event.totalBytes ?? view.layers.get(event.layer)?.totalBytes;
      view.layers.set(event.layer, { ...event, totalBytes });
      break;
    }
    case "build.vertex":
      view.lastLog = undefined;
      if (event.status === "started") view.running.set(event.id, event);
      else view.running.delete(event.id);
      break;
    case "build.status":
      view.statuses.set(event.vertex, event);
      break;
    case "build.log":
      if (event.line.trim() !== "") view.lastLog = event.line.trim();
      break;
    case "joined":
      view.waitingFor =
        event.scope === "host" ? "another process is at it, waiting" : "joined a build under way";
      break;
    case "stage.started":
    case "stage.finished":
    case "stage.failed":
    case "undone":
    case "warning":
      break;
    default:
      event satisfies never;
  }
}

/** What the stage is doing at this moment, in a few words. */
export function describeStage(view: StageView): string {
  if (view.layers.size > 0) return describeLayers([...view.layers.values()]);
  const vertex = [...view.running.values()].at(-1);
  if (vertex !== undefined) return describeVertex(vertex, view);
  return view.waitingFor === undefined ? view.subject : `${view.subject}: ${view.waitingFor}`;
}

const UNDER_WAY: ReadonlySet<LayerProgress["status"]> = new Set([
  "waiting",
  "downloading",
  "preparing",
  "pushing",
]);
const DONE: ReadonlySet<LayerProgress["status"]> = new Set(["complete", "exists", "mounted"]);

/** `3 of 7 layers, 12 MB of 80 MB`. */
export function describeLayers(layers: readonly LayerProgress[]): string {
  let done = 0;
  let currentBytes = 0;
  let totalBytes = 0;
  for (const layer of layers) {
    const total = layer.totalBytes ?? 0;
    const moved = !UNDER_WAY.has(layer.status);
    if (DONE.has(layer.status)) done += 1;
    // While a layer is extracted its bytes count from zero again: the download stays done.
    currentBytes += moved ? total : Math.min(layer.currentBytes ?? 0, total);
    totalBytes += total;
  }
  const bytes =
    totalBytes === 0 ? "" : `, ${formatBytes(currentBytes)} of ${formatBytes(totalBytes)}`;
  return `${done} of ${layers.length} ${layers.length === 1 ? "layer" : "layers"}${bytes}`;
}

function describeVertex(vertex: BuildVertex, view: StageView): string {
  const status = view.statuses.get(vertex.id);
  const amount =
    status?.total === undefined || status.total === 0
      ? ""
      : ` ${formatBytes(status.current)} of ${formatBytes(status.total)}`;
  const log = view.lastLog === undefined ? "" : ` · ${view.lastLog}`;
  return `${vertex.name}${amount}${log}`;
}

/** Steps BuildKit does for itself; not lines of the Dockerfile. */
export function isInternalStep(name: string): boolean {
  return /^\[internal\]|^(?:exporting|writing|naming|sending|resolve image config|preparing)\b/i.test(
    name,
  );
}
