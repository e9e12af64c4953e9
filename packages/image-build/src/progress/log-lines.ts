import type { BuildEvent, EventSink } from "@molecule-ai/core";

/**
 * Writes the events of a build as lines like those of `--progress=plain`: steps numbered in the order
 * of their start, every line of output behind its step's number.
 */
export function createLogLines(write: (line: string) => void): EventSink<BuildEvent> {
  const numbers = new Map<string, number>();
  const numberOf = (id: string): number => {
    const known = numbers.get(id);
    if (known !== undefined) return known;
    numbers.set(id, numbers.size + 1);
    return numbers.size;
  };

  return (event) => {
    switch (event.type) {
      case "build.vertex": {
        const isNew = !numbers.has(event.id);
        const prefix = `#${numberOf(event.id)}`;
        if (isNew || event.status === "started") write(`${prefix} ${event.name}`);
        const end = endOf(event);
        if (end !== undefined) write(`${prefix} ${end}`);
        break;
      }
      case "build.log":
        write(`#${numberOf(event.vertex)} ${event.line}`);
        break;
      case "warning":
        write(`WARNING: ${event.message}`);
        break;
      case "build.status":
        break;
      default:
        event satisfies never;
    }
  };
}

function endOf(event: Extract<BuildEvent, { type: "build.vertex" }>): string | undefined {
  switch (event.status) {
    case "started":
      return undefined;
    case "completed":
      return `DONE ${((event.durationMs ?? 0) / 1000).toFixed(1)}s`;
    case "cached":
      return "CACHED";
    case "canceled":
      return "CANCELED";
    case "failed":
      return `ERROR: ${event.error ?? "no reason given"}`;
    default:
      return event.status satisfies never;
  }
}
