import type { ProvisionEvent } from "@molecule-ai/core";
import { formatDuration } from "./quantity.js";
import {
  createStageView,
  describeLayers,
  describeStage,
  isInternalStep,
  updateStageView,
  type StageView,
} from "./stage-view.js";
import type { Style } from "./style.js";
import { truncateText } from "./text-width.js";

/** Shows events to people while they happen. */
export interface Progress {
  onEvent(event: ProvisionEvent): void;
  /** A line of its own. */
  line(text: string): void;
  /** Takes away what is not to stay. */
  close(): void;
}

export interface ProgressOptions {
  readonly write: (text: string) => void;
  readonly style: Style;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
  /** True when more than ASCII can be drawn. */
  readonly unicode: boolean;
}

export interface LiveProgressOptions extends ProgressOptions {
  /** Width of the terminal now. */
  readonly columns: () => number;
  /** Calls back every `ms` until the returned function is called. */
  readonly every: (ms: number, callback: () => void) => () => void;
}

const FRAMES = { unicode: [..."⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"], ascii: [..."|/-\\"] } as const;
const MARKS = {
  unicode: { good: "✓", bad: "✗", warn: "!", undone: "↩" },
  ascii: { good: "ok", bad: "x", warn: "!", undone: "<-" },
} as const;
const FRAME_MS = 100;
const ERASE_LINE = "\r\u001b[2K";
/** A transfer can be silent for minutes; a log that is not a terminal gets a sign of life this often. */
const TRANSFER_NOTICE_MS = 10_000;

/** One line that changes in place for what is under way; one line that stays for every finished stage. */
export function createLiveProgress(options: LiveProgressOptions): Progress {
  const { write, style, now } = options;
  const frames = options.unicode ? FRAMES.unicode : FRAMES.ascii;
  const open = new Map<string, StageView>();
  let stopTimer: (() => void) | undefined;
  let frame = 0;
  let drawn = false;

  const erase = (): void => {
    if (drawn) write(ERASE_LINE);
    drawn = false;
  };
  const draw = (): void => {
    const view = [...open.values()].at(-1);
    if (view === undefined) {
      erase();
      return;
    }
    const elapsed = formatDuration(now() - view.startedAt);
    const head = `${frames[frame % frames.length] ?? ""} ${view.stage.padEnd(8)}  `;
    // One cell stays free: a full line would wrap, and then could not be erased.
    const room = options.columns() - 1 - head.length - elapsed.length - 2;
    const detail = truncateText(describeStage(view), Math.max(room, 0));
    write(`${ERASE_LINE}${style.strong(head)}${detail}  ${style.faint(elapsed)}`);
    drawn = true;
  };
  const line = (text: string): void => {
    erase();
    write(`${text}\n`);
    if (open.size > 0) draw();
  };

  return {
    onEvent(event) {
      if (event.type === "stage.started") {
        open.set(event.stage, createStageView(event.stage, event.subject, now()));
        stopTimer ??= options.every(FRAME_MS, () => {
          frame += 1;
          draw();
        });
        draw();
        return;
      }
      if (event.type === "stage.finished" || event.type === "stage.failed") {
        open.delete(event.stage);
        line(finalLine(event, options));
        return;
      }
      const text = noticeLine(event, options);
      if (text !== undefined) line(text);
      const view = [...open.values()].at(-1);
      // The next frame shows it; drawing at every event would flicker.
      if (view !== undefined) updateStageView(view, event);
    },
    line,
    close() {
      stopTimer?.();
      stopTimer = undefined;
      erase();
    },
  };
}

/** Lines only, for logs and pipes: finished stages, build steps, and a rare sign of life of a transfer. */
export function createPlainProgress(options: ProgressOptions): Progress {
  const { write, now } = options;
  const open = new Map<string, StageView>();
  let noticeAt = 0;
  const line = (text: string): void => {
    write(`${text}\n`);
  };
  return {
    onEvent(event) {
      const view = [...open.values()].at(-1);
      if (view !== undefined) updateStageView(view, event);
      switch (event.type) {
        case "stage.started":
          open.set(event.stage, createStageView(event.stage, event.subject, now()));
          if (event.stage === "build" || event.stage === "push" || event.stage === "pull") {
            noticeAt = now();
            line(`${options.unicode ? "…" : ".."} ${event.stage.padEnd(8)}  ${event.subject}`);
          }
          break;
        case "stage.finished":
        case "stage.failed":
          open.delete(event.stage);
          line(finalLine(event, options));
          break;
        case "build.vertex":
          if (
            (event.status === "started" || event.status === "cached") &&
            !isInternalStep(event.name)
          )
            line(`  ${event.name}${event.status === "cached" ? " (cached)" : ""}`);
          break;
        case "pull.layer":
        case "push.layer":
          if (now() - noticeAt >= TRANSFER_NOTICE_MS && view !== undefined) {
            noticeAt = now();
            line(`  ${describeLayers([...view.layers.values()])}`);
          }
          break;
        case "joined":
          line(`  ${event.subject}: another caller is at it, waiting`);
          break;
        case "build.log":
        case "build.status":
          break;
        case "warning":
        case "undone":
          line(noticeLine(event, options) ?? "");
          break;
        default:
          event satisfies never;
      }
    },
    line,
    close() {
      // Nothing is drawn in place.
    },
  };
}

function finalLine(
  event: Extract<ProvisionEvent, { type: "stage.finished" | "stage.failed" }>,
  { style, unicode }: ProgressOptions,
): string {
  const marks = unicode ? MARKS.unicode : MARKS.ascii;
  const duration = style.faint(formatDuration(event.durationMs));
  const name = event.stage.padEnd(8);
  return event.type === "stage.finished"
    ? `${style.good(marks.good)} ${name}  ${event.outcome}  ${duration}`
    : `${style.bad(marks.bad)} ${name}  ${style.bad("failed")}  ${duration}`;
}

function noticeLine(
  event: ProvisionEvent,
  { style, unicode }: ProgressOptions,
): string | undefined {
  const marks = unicode ? MARKS.unicode : MARKS.ascii;
  if (event.type === "warning") {
    const hint = event.hint === undefined ? "" : `\n  ${style.faint(event.hint)}`;
    return `${style.warn(marks.warn)} ${event.message}${hint}`;
  }
  if (event.type === "undone") return `${style.warn(marks.undone)} undone    ${event.what}`;
  return undefined;
}
