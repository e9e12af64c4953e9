/** One event of a `text/event-stream`. */
export interface ServerSentEvent {
  /** `message` when the stream did not say. */
  readonly type: string;
  readonly data: string;
  /** The last id the stream sent, also with an earlier event; empty: none. */
  readonly id: string;
}

export interface SseParserOptions {
  /** Longest line, and longest data of one event, in characters. */
  readonly maxLength: number;
}

/** Takes the bytes of a stream in whatever pieces they come. */
export interface SseParser {
  /**
   * The events that are complete with this piece. Throws a `RangeError` when a line or an event is
   * longer than allowed; the parser cannot be used afterwards.
   */
  push(bytes: Uint8Array): ServerSentEvent[];
  /** What the server asked to wait before a reconnect, in milliseconds. */
  readonly retryMs: number | undefined;
}

/**
 * The parser of the HTML standard: lines end with LF, CR or CRLF, a byte order mark at the start is
 * skipped, unknown fields and comments are ignored, an event that the stream did not finish is never
 * given out.
 */
export function createSseParser(options: SseParserOptions): SseParser {
  const { maxLength } = options;
  // Takes the byte order mark away, and replaces what is not UTF-8.
  const decoder = new TextDecoder("utf-8");
  let rest = "";
  let endedWithCarriageReturn = false;
  let type = "";
  let data: string[] = [];
  let dataLength = 0;
  let id = "";
  let retryMs: number | undefined;

  const dispatch = (): ServerSentEvent | undefined => {
    const event =
      data.length === 0
        ? undefined
        : { type: type === "" ? "message" : type, data: data.join("\n"), id };
    type = "";
    data = [];
    dataLength = 0;
    return event;
  };

  const takeLine = (line: string): ServerSentEvent | undefined => {
    if (line === "") return dispatch();
    const colon = line.indexOf(":");
    const field = colon === -1 ? line : line.slice(0, colon);
    const value = colon === -1 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "data") {
      dataLength += value.length + 1;
      if (dataLength > maxLength) throw tooLong(maxLength);
      data.push(value);
    } else if (field === "event") type = value;
    else if (field === "id" && !value.includes("\0")) id = value;
    else if (field === "retry" && /^\d{1,9}$/.test(value)) retryMs = Number(value);
    return undefined;
  };

  return {
    push(bytes) {
      let text = decoder.decode(bytes, { stream: true });
      if (text === "") return [];
      // The LF of a CRLF that was cut in two ends no second line.
      if (endedWithCarriageReturn && text.startsWith("\n")) text = text.slice(1);
      endedWithCarriageReturn = text.endsWith("\r");
      const lines = (rest + text).split(/\r\n|\n|\r/);
      rest = lines.pop() ?? "";
      if (rest.length > maxLength) throw tooLong(maxLength);
      const events: ServerSentEvent[] = [];
      for (const line of lines) {
        if (line.length > maxLength) throw tooLong(maxLength);
        const event = takeLine(line);
        if (event !== undefined) events.push(event);
      }
      return events;
    },
    get retryMs() {
      return retryMs;
    },
  };
}

function tooLong(maxLength: number): RangeError {
  return new RangeError(`a line or an event of the stream is longer than ${maxLength} characters`);
}
