import { stripControlCharacters, type BuildVertex } from "@molecule-ai/core";
import type { BuildProgressOptions } from "./trace-follower.js";
import {
  exitCodeOf,
  parseErrorBlock,
  reportedByBlock,
  type ErrorBlock,
} from "../failure/error-block.js";
import {
  isCacheImport,
  isCancellation,
  isInstruction,
  oneLine,
  type BuildProgress,
  type FailedStep,
} from "./build-progress.js";
import type { BuildLayer } from "./build-layer.js";
import { createLayerCollector } from "./layer-view.js";
import { parseTransfer } from "./plain-transfer.js";
import { createStepOutput } from "./step-output.js";
import { createTextLines } from "./text-lines.js";

interface PlainVertex {
  name: string;
  state: "started" | "completed" | "failed" | "canceled";
  cached: boolean;
  error: string;
}

const MAX_VERTEXES = 20_000;
const MAX_LINE_LENGTH = 64 * 1024;
/** Lines outside of any step: the error block, of which the end matters most. */
const MAX_LOOSE_LINES = 1000;
const MAX_LOOSE_LENGTH = 4096;

/** A line of a step's output: `0.273 text`. */
const LOG = /^(\d{1,9}\.\d{1,6})(?: |$)/;
const DONE = /^DONE(?: (\d{1,9}(?:\.\d{1,6})?)s)?$/;
const INSTRUCTION = /^\[[^\]]{0,200}\] /;
const DIGEST = /^sha256:[0-9a-f]{64}$/;
const IMAGE = /^writing image (sha256:[0-9a-f]{64})\b/;
const WARNING = /^WARN(?:ING)?: (.+)$/s;
const WARNING_LIST = /^\s*\d{1,5} warnings? found/;
const LISTED_WARNING = /^ - (.+)$/s;

/**
 * Follows a build by the text of `buildx build --progress=plain`: pieces of it, cut anywhere. For
 * builders that know no machine format; names of steps and what they mean are only as certain as
 * such text can be.
 */
export function createPlainProgress(options: BuildProgressOptions): BuildProgress {
  const { emit, clean } = options;
  const vertexes = new Map<string, PlainVertex>();
  const statuses = new Map<string, string>();
  const loose: string[] = [];
  let failedId: string | undefined;
  let imageId: string | undefined;
  let listsWarnings = false;
  const output = createStepOutput({
    clean,
    tailLines: options.tailLines,
    onLine: (vertex, stream, line) => emit({ type: "build.log", vertex, stream, line }),
  });

  const announce = (
    id: string,
    vertex: PlainVertex,
    status: BuildVertex["status"],
    durationMs?: number,
  ): void => {
    emit({
      type: "build.vertex",
      id,
      name: oneLine(vertex.name, clean),
      status,
      ...(durationMs === undefined ? {} : { durationMs }),
      ...(vertex.error === "" ? {} : { error: oneLine(vertex.error, clean) }),
    });
  };

  const begin = (id: string, name: string): void => {
    if (vertexes.size >= MAX_VERTEXES && !vertexes.has(id)) return;
    const vertex: PlainVertex = { name, state: "started", cached: false, error: "" };
    vertexes.set(id, vertex);
    announce(id, vertex, "started");
  };

  const complete = (id: string, vertex: PlainVertex, seconds: string | undefined): void => {
    vertex.state = "completed";
    output.drop(id);
    const durationMs = seconds === undefined ? undefined : Math.round(Number(seconds) * 1000);
    announce(id, vertex, vertex.cached ? "cached" : "completed", durationMs);
  };

  const fail = (id: string, vertex: PlainVertex, error: string): void => {
    vertex.error = error;
    vertex.state = isCancellation(error) ? "canceled" : "failed";
    if (vertex.state === "failed" && !isCacheImport(vertex.name)) failedId ??= id;
    announce(id, vertex, vertex.state);
  };

  const report = (id: string, text: string): void => {
    if (DIGEST.test(text)) return;
    imageId = IMAGE.exec(text)?.[1] ?? imageId;
    const { name, current, total } = parseTransfer(text);
    const key = `${id} ${name}`;
    const value = `${current}/${total ?? ""}`;
    if (statuses.get(key) === value) return;
    if (statuses.size < MAX_VERTEXES || statuses.has(key)) statuses.set(key, value);
    emit({
      type: "build.status",
      vertex: id,
      name: oneLine(name, clean),
      current,
      ...(total === undefined ? {} : { total }),
    });
  };

  const warn = (message: string): void => {
    emit({ type: "warning", code: "WARN_BUILD_DOCKERFILE", message: oneLine(message, clean) });
  };

  const acceptNumbered = (id: string, text: string): void => {
    const vertex = vertexes.get(id);
    const log = LOG.exec(text);
    if (vertex === undefined) {
      begin(id, log === null ? stripControlCharacters(text) : id);
      if (log !== null) output.writeLine(id, "stdout", text.slice(log[0].length));
      return;
    }
    if (log !== null) {
      output.writeLine(id, "stdout", text.slice(log[0].length));
      return;
    }
    const said = stripControlCharacters(text);
    const done = DONE.exec(said);
    if (done !== null) {
      if (vertex.error === "") complete(id, vertex, done[1]);
    } else if (said === "CACHED") {
      vertex.cached = true;
      complete(id, vertex, undefined);
    } else if (said.startsWith("ERROR: ")) {
      fail(id, vertex, said.slice("ERROR: ".length));
    } else if (said === "CANCELED") {
      fail(id, vertex, "context canceled");
    } else if (said === vertex.name || said === "...") {
      // Another step was shown in between.
    } else if (WARNING.test(said)) {
      warn(WARNING.exec(said)?.[1] ?? "");
    } else if (INSTRUCTION.test(said)) {
      output.drop(id);
      begin(id, said);
    } else {
      report(id, said);
    }
  };

  const acceptLoose = (text: string): void => {
    const line = stripControlCharacters(text);
    if (loose.length >= MAX_LOOSE_LINES) loose.shift();
    loose.push(line.slice(0, MAX_LOOSE_LENGTH));
    const warning = listsWarnings ? LISTED_WARNING.exec(line) : WARNING.exec(line);
    if (warning !== null) warn(warning[1] ?? "");
    else listsWarnings = WARNING_LIST.test(line);
  };

  const lines = createTextLines({
    maxLength: MAX_LINE_LENGTH,
    onLine(raw) {
      const line = raw.startsWith("\u001b") ? stripControlCharacters(raw) : raw;
      const end = numberEnd(line);
      if (end === 0) acceptLoose(line);
      else acceptNumbered(line.slice(0, end), line.slice(end + 1));
    },
  });

  const failedStep = (block: ErrorBlock): FailedStep | undefined => {
    const vertex = failedId === undefined ? undefined : vertexes.get(failedId);
    if (failedId !== undefined && vertex !== undefined) {
      const { name, error } = vertex;
      const [lastLines, printed] = [output.tail(failedId), output.output(failedId)];
      return { id: failedId, name, error, lastLines, output: printed };
    }
    const step = block.message === undefined ? undefined : block.steps[0];
    if (step === undefined) return undefined;
    const lastLines = step.lines.slice(-options.tailLines).map(clean);
    return { id: step.name, name: step.name, error: block.message ?? "", lastLines };
  };

  return {
    accept(message) {
      if (typeof message === "string" || message instanceof Uint8Array) lines.write(message);
    },
    finish() {
      lines.end();
      const block = parseErrorBlock(loose);
      const failed = failedStep(block);
      const error = failed?.error;
      const steps = [...vertexes.values()].filter((vertex) => isInstruction(vertex.name));
      return {
        imageId,
        failure:
          reportedByBlock(block) ??
          (error === undefined ? undefined : { message: error, exitCode: exitCodeOf(error) }),
        failedStep: failed,
        steps: steps.length,
        cachedSteps: steps.filter((vertex) => vertex.cached).length,
      };
    },
  };
}

/** The layers that a whole text of `--progress=plain` tells of. */
export function parsePlainProgress(text: string): readonly BuildLayer[] {
  const collector = createLayerCollector();
  const progress = createPlainProgress({
    emit: (event) => collector.accept(event),
    clean: stripControlCharacters,
    tailLines: 0,
  });
  progress.accept(text);
  progress.finish();
  return collector.layers();
}

/** Length of `#12` in `#12 text`; 0 for a line that belongs to no step. */
function numberEnd(line: string): number {
  if (line.charCodeAt(0) !== 35) return 0;
  let at = 1;
  while (at <= 7 && line.charCodeAt(at) >= 48 && line.charCodeAt(at) <= 57) at += 1;
  return at > 1 && line.charCodeAt(at) === 32 ? at : 0;
}
