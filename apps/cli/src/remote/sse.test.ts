import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createSseParser, type ServerSentEvent } from "./sse.js";

function parse(chunks: readonly (string | Uint8Array)[], maxLength = 10_000): ServerSentEvent[] {
  const parser = createSseParser({ maxLength });
  return chunks.flatMap((chunk) =>
    parser.push(typeof chunk === "string" ? Buffer.from(chunk) : chunk),
  );
}

const event = (data: string, rest: Partial<ServerSentEvent> = {}): ServerSentEvent => ({
  type: "message",
  data,
  id: "",
  ...rest,
});

describe("a stream of events", () => {
  it.each([
    ["data: a\n\n", [event("a")]],
    ["data:a\n\n", [event("a")]],
    ["data:  a\n\n", [event(" a")]],
    ["data: a\ndata: b\n\n", [event("a\nb")]],
    ["data\n\n", [event("")]],
    ["data\ndata\n\n", [event("\n")]],
    ["event: x\ndata: a\nid: 7\n\n", [event("a", { type: "x", id: "7" })]],
    [": a comment\n\ndata: a\n\n", [event("a")]],
    ["event: x\n\ndata: a\n\n", [event("a")]],
    ["id: 7\n\ndata: a\n\n", [event("a", { id: "7" })]],
    ["id: 7\ndata: a\n\nid\ndata: b\n\n", [event("a", { id: "7" }), event("b")]],
    ["id: 7\ndata: a\n\nid: 8\0\ndata: b\n\n", [event("a", { id: "7" }), event("b", { id: "7" })]],
    ["\uFEFFdata: a\n\n", [event("a")]],
    ["data: a\r\rdata: b\r\n\r\n", [event("a"), event("b")]],
    ["nonsense: a\nDATA: b\n\n", []],
    ["data: unfinished\n", []],
    ["data: a: b\n\n", [event("a: b")]],
  ])("%j", (text, events) => {
    expect(parse([text])).toEqual(events);
  });

  it("keeps what the server says of reconnecting, and only that", () => {
    const parser = createSseParser({ maxLength: 100 });
    parser.push(Buffer.from("retry: 1e3\nretry: -5\nretry: \n"));
    expect(parser.retryMs).toBeUndefined();
    parser.push(Buffer.from("retry: 250\n"));
    expect(parser.retryMs).toBe(250);
  });

  it("refuses a line or an event without end", () => {
    const endless = createSseParser({ maxLength: 64 });
    expect(() => {
      for (let i = 0; i < 9; i += 1) endless.push(Buffer.from("data: abc"));
    }).toThrow(RangeError);
    expect(() => parse([`data: ${"a".repeat(80)}\n`], 64)).toThrow(RangeError);
    expect(() => parse(["data: abcdefgh\n".repeat(9)], 64)).toThrow(RangeError);
    expect(parse(["data: abcdefgh\n\n".repeat(9)], 64)).toHaveLength(9);
  });

  const field = fc.string({ unit: "binary" }).map((text) => text.replace(/[\r\n\0]/g, ""));
  const written = fc.record({
    type: fc.option(field, { nil: undefined }),
    data: fc.array(field, { minLength: 1, maxLength: 4 }),
    id: fc.option(field, { nil: undefined }),
    comment: fc.boolean(),
  });

  it("is read the same whatever its line ends are and wherever it is cut", () => {
    fc.assert(
      fc.property(
        fc.array(written, { maxLength: 6 }),
        fc.constantFrom("\n", "\r", "\r\n"),
        fc.boolean(),
        fc.array(fc.nat(), { maxLength: 12 }),
        (events, end, mark, cuts) => {
          let id = "";
          const expected: ServerSentEvent[] = [];
          let text = mark ? "\uFEFF" : "";
          for (const written of events) {
            if (written.comment) text += `: ${end}`;
            if (written.type !== undefined) text += `event: ${written.type}${end}`;
            for (const line of written.data) text += `data: ${line}${end}`;
            if (written.id !== undefined) text += `id: ${written.id}${end}`;
            text += end;
            id = written.id ?? id;
            expected.push({
              type: written.type === undefined || written.type === "" ? "message" : written.type,
              data: written.data.join("\n"),
              id,
            });
          }
          const bytes = Buffer.from(text);
          const at = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort(
            (a, b) => a - b,
          );
          const chunks = [0, ...at].map((from, index) => bytes.subarray(from, at[index]));
          const clean = expected.map(({ type, data, id: own }) => ({
            type: wellFormed(type),
            data: wellFormed(data),
            id: wellFormed(own),
          }));
          expect(parse(chunks, 100_000)).toEqual(clean);
        },
      ),
    );
  });

  it("never fails otherwise, whatever the bytes", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 200 })), (chunks) => {
        for (const { data, type } of parse(chunks, 1_000_000)) {
          expect(data).not.toMatch(/\r/);
          expect(type).not.toBe("");
        }
      }),
    );
  });
});

/** Without lone surrogates, as UTF-8 has it. */
function wellFormed(text: string): string {
  return Buffer.from(text).toString();
}
