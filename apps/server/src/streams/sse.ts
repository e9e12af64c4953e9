/** One event of an event stream. */
export interface SseEvent {
  readonly id: number | string;
  readonly event: string;
  /** Sent as JSON, which has no line breaks. */
  readonly data: unknown;
}

/** The first thing of a stream: how long a client waits before it comes back. */
export const SSE_OPENING = "retry: 2000\n\n";

/** Keeps proxies from closing a stream in which nothing happens. */
export const SSE_HEARTBEAT = ": heartbeat\n\n";

export const SSE_CONTENT_TYPE = "text/event-stream; charset=utf-8";

/** An event on the wire. Line breaks in id or name would begin another field; they are left out. */
export function formatSseEvent({ id, event, data }: SseEvent): string {
  return `id: ${oneLine(String(id))}\nevent: ${oneLine(event)}\ndata: ${JSON.stringify(data)}\n\n`;
}

/** True when a client would rather have an event stream than anything else we could send. */
export function prefersEventStream(accept: string | undefined): boolean {
  return (accept ?? "")
    .split(",")
    .some((type) => type.split(";", 1)[0]?.trim().toLowerCase() === "text/event-stream");
}

function oneLine(text: string): string {
  // A NUL in an id makes a browser ignore it.
  // oxlint-disable-next-line no-control-regex
  return text.replace(/[\r\n\u0000]/g, "");
}
