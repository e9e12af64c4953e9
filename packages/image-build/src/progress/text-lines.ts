import { StringDecoder } from "node:string_decoder";

export interface TextLinesOptions {
  /** Without its line end. */
  readonly onLine: (line: string) => void;
  /** The rest of a longer line is dropped; in UTF-16 units. */
  readonly maxLength: number;
}

/** Makes lines of text that comes in pieces, cut anywhere, UTF-8 or not. */
export interface TextLines {
  write(chunk: Uint8Array | string): void;
  /** What was left without a line end becomes a line. */
  end(): void;
}

export function createTextLines({ onLine, maxLength }: TextLinesOptions): TextLines {
  const decoder = new StringDecoder("utf8");
  let held = "";

  const hold = (text: string): void => {
    if (held.length < maxLength) held += text.slice(0, maxLength - held.length);
  };
  const flush = (): void => {
    const line = held.endsWith("\r") ? held.slice(0, -1) : held;
    held = "";
    onLine(line);
  };
  const take = (text: string): void => {
    let from = 0;
    for (let end = text.indexOf("\n"); end !== -1; end = text.indexOf("\n", from)) {
      hold(text.slice(from, end));
      flush();
      from = end + 1;
    }
    hold(text.slice(from));
  };

  return {
    write: (chunk) => take(typeof chunk === "string" ? chunk : decoder.write(chunk as Buffer)),
    end() {
      take(decoder.end());
      if (held !== "") flush();
    },
  };
}
