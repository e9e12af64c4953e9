import { createRedactor } from "@molecule-ai/core";
import fc from "fast-check";
import { Readable } from "node:stream";
import { describe, expect, it } from "vitest";
import { readJsonStream, readProgressStream } from "./json-stream.js";

const subject = "Pull x";

async function read(
  chunks: readonly (string | Buffer)[],
  maxValueBytes?: number,
): Promise<{ values: unknown[]; error: { code?: string } | undefined }> {
  const values: unknown[] = [];
  try {
    const body = Readable.from(chunks.map((chunk) => Buffer.from(chunk)));
    for await (const value of readJsonStream(body, { subject, maxValueBytes })) values.push(value);
    return { values, error: undefined };
  } catch (error) {
    return { values, error: error as { code?: string } };
  }
}

/** Cuts bytes at the given places, so that multi-byte characters are cut too. */
function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const sorted = [0, ...places.map((place) => place % (bytes.length + 1)), bytes.length].sort(
    (a, b) => a - b,
  );
  return sorted.slice(1).map((end, i) => bytes.subarray(sorted[i], end));
}

const message = fc.oneof(
  fc.dictionary(fc.string(), fc.jsonValue()),
  fc.array(fc.jsonValue()),
) as fc.Arbitrary<object>;

describe("readJsonStream", () => {
  it("gives back what was written, wherever chunks and lines are cut", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(message, fc.boolean())),
        fc.array(fc.nat()),
        fc.constantFrom("\n", "\r\n", "\n\n", " \t\n"),
        async (messages, places, separator) => {
          const stream = messages
            .map(([value, indent]) => JSON.stringify(value, null, indent ? 2 : 0) + separator)
            .join("");
          const { values, error } = await read(cut(Buffer.from(stream), places));
          expect(error).toBeUndefined();
          expect(values).toEqual(
            messages.map(([value]) => JSON.parse(JSON.stringify(value)) as unknown),
          );
        },
      ),
    );
  });

  it("calls every stream that is cut inside a message, or before its last newline, truncated", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(message, { minLength: 1 }),
        fc.nat(),
        fc.array(fc.nat()),
        async (messages, at, places) => {
          const lines = messages.map((value) => Buffer.from(`${JSON.stringify(value)}\n`));
          const whole = Buffer.concat(lines);
          const ends = new Set<number>([0]);
          for (const line of lines) ends.add(Math.max(...ends) + line.length);
          const place = at % whole.length;
          const { values, error } = await read(cut(whole.subarray(0, place), places));
          expect(error?.code).toBe(ends.has(place) ? undefined : "ERR_ENGINE_TRUNCATED");
          // Whole messages before the cut are still told.
          const before = [...ends].filter((end) => end > 0 && end - 1 <= place).length;
          expect(values).toHaveLength(before);
        },
      ),
    );
  });

  it("never fails with anything but its own errors on arbitrary bytes", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.oneof(fc.uint8Array(), fc.constant(Buffer.from('{"a":"\\"')))),
        async (chunks) => {
          const { error } = await read(chunks.map((chunk) => Buffer.from(chunk)));
          if (error !== undefined) {
            expect(error.code).toMatch(/^ERR_ENGINE_(TRUNCATED|PROTOCOL)$/);
          }
        },
      ),
    );
  });

  it("does not take a brace inside a string for an end", async () => {
    expect((await read(['{"a":"}\\"{"', "}\n"])).values).toEqual([{ a: '}"{' }]);
  });

  it("refuses what is not JSON", async () => {
    for (const text of ["<html>\n", "{]\n", "12\n", '{"a" 1}\n', "}\n"]) {
      expect((await read([text])).error?.code, text).toBe("ERR_ENGINE_PROTOCOL");
    }
  });

  it("stops at a message that is too long, before it is complete", async () => {
    const endless = Array.from({ length: 100 }, () => "x".repeat(100));
    const { values, error } = await read(['{"ok":1}\n{"a":"', ...endless], 1000);
    expect(values).toEqual([{ ok: 1 }]);
    expect(error?.code).toBe("ERR_ENGINE_PROTOCOL");
    expect((await read([`{"a":"${"x".repeat(2000)}"}\n`], 1000)).error?.code).toBe(
      "ERR_ENGINE_PROTOCOL",
    );
  });

  it("takes an empty stream for an empty one", async () => {
    expect(await read([])).toEqual({ values: [], error: undefined });
  });

  it("destroys the body when the reader leaves", async () => {
    const body = new Readable({ read: () => undefined });
    body.push('{"a":1}\n');
    for await (const value of readJsonStream(body, { subject })) {
      expect(value).toEqual({ a: 1 });
      break;
    }
    expect(body.destroyed).toBe(true);
  });
});

describe("readProgressStream", () => {
  const progress = async (text: string): Promise<unknown> => {
    const body = Readable.from([Buffer.from(text)]);
    const redactor = createRedactor(["hunter22"]);
    const seen: unknown[] = [];
    for await (const value of readProgressStream(body, { subject, redactor })) seen.push(value);
    return seen;
  };

  it("fails on errorDetail, which the engine sends under HTTP 200", async () => {
    await expect(
      progress(
        '{"status":"Downloading"}\n{"errorDetail":{"code":7,"message":"no space hunter22 \\u001b[31m"},"error":"no"}\n',
      ),
    ).rejects.toMatchObject({
      code: "ERR_ENGINE_STREAM",
      message: "Pull x: the engine failed: no space ***",
      details: { status: 7, engineMessage: "no space ***" },
    });
  });

  it("fails on the old error member alone, and bounds its text", async () => {
    const failure = progress(`{"error":"${"long ".repeat(2000)}"}\n`);
    await expect(failure).rejects.toMatchObject({ code: "ERR_ENGINE_STREAM" });
    await failure.catch((error: Error) => {
      expect(error.message.length).toBeLessThan(1200);
    });
  });

  it("passes everything else on", async () => {
    expect(await progress('{"status":"a"}\n[1]\n{"aux":{"ID":"x"}}\n')).toEqual([
      { status: "a" },
      { aux: { ID: "x" } },
    ]);
  });
});
