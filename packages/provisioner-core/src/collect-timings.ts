import type { EventSink, ProvisionEvent } from "@molecule-ai/core";

export interface StageTiming {
  readonly stage: string;
  readonly durationMs: number;
}

/** An event sink that passes everything on and remembers how long each finished stage took. */
export function collectTimings(onEvent: EventSink | undefined): {
  readonly sink: EventSink;
  readonly timings: readonly StageTiming[];
} {
  const timings: StageTiming[] = [];
  const sink = (event: ProvisionEvent): void => {
    if (event.type === "stage.finished") {
      timings.push({ stage: event.stage, durationMs: event.durationMs });
    }
    onEvent?.(event);
  };
  return { sink, timings };
}
