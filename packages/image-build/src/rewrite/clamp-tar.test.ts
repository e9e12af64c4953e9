import fc from "fast-check";
import { extract, pack } from "tar-stream";
import { Readable } from "node:stream";
import { describe, expect, it } from "vitest";
import { clampTar } from "./clamp-tar.js";

const EPOCH = 1_767_225_600;

async function clamp(bytes: Buffer, chunkSize = 700): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += chunkSize)
    chunks.push(bytes.subarray(at, at + chunkSize));
  const out: Buffer[] = [];
  for await (const block of clampTar(Readable.from(chunks) as AsyncIterable<Buffer>, EPOCH))
    out.push(block);
  return Buffer.concat(out);
}

async function tarOf(
  entries: readonly {
    name: string;
    content: string;
    seconds: number;
    pax?: Record<string, string>;
  }[],
): Promise<Buffer> {
  const tar = pack();
  for (const { name, content, seconds, pax } of entries) {
    const header = { name, mode: 0o640, mtime: new Date(seconds * 1000), ...(pax && { pax }) };
    tar.entry(header as Parameters<typeof tar.entry>[0], content);
  }
  tar.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of tar) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

async function read(tar: Buffer): Promise<{ name: string; seconds: number; content: string }[]> {
  const reader = extract();
  Readable.from([tar]).pipe(reader);
  const found: { name: string; seconds: number; content: string }[] = [];
  for await (const entry of reader) {
    const parts: Buffer[] = [];
    for await (const chunk of entry) parts.push(chunk as Buffer);
    const seconds = (entry.header.mtime?.getTime() ?? 0) / 1000;
    found.push({ name: entry.header.name, seconds, content: Buffer.concat(parts).toString() });
  }
  return found;
}

describe("clampTar", () => {
  it("sets later times to the epoch and leaves earlier ones and the content alone", async () => {
    const tar = await tarOf([
      { name: "old", content: "a".repeat(1000), seconds: EPOCH - 10 },
      { name: "new", content: "b", seconds: EPOCH + 10 },
      { name: "empty", content: "", seconds: EPOCH + 999 },
    ]);
    const clamped = await clamp(tar);
    expect(clamped).toHaveLength(tar.length);
    expect(await read(clamped)).toEqual([
      { name: "old", seconds: EPOCH - 10, content: "a".repeat(1000) },
      { name: "new", seconds: EPOCH, content: "b" },
      { name: "empty", seconds: EPOCH, content: "" },
    ]);
  });

  it("sets the fraction of a second in an extended header, too", async () => {
    const tar = await tarOf([
      {
        name: "é".repeat(80),
        content: "x",
        seconds: EPOCH + 5,
        pax: { mtime: `${EPOCH + 5}.987654321` },
      },
    ]);
    const clamped = await clamp(tar);
    expect(clamped.toString("latin1")).toContain(`mtime=${EPOCH}.000000000\n`);
    expect(await read(clamped)).toMatchObject([{ name: "é".repeat(80), content: "x" }]);
  });

  it("is the identity for a tar without later times, wherever it is cut", async () => {
    const entry = fc.record({
      name: fc
        .string({ minLength: 1, maxLength: 150, unit: "grapheme-ascii" })
        .map((text) => `f${text.replaceAll("\0", "")}`),
      content: fc.string({ maxLength: 2000 }),
      seconds: fc.integer({ min: 0, max: EPOCH }),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(entry, { maxLength: 5 }),
        fc.integer({ min: 1, max: 3000 }),
        async (entries, cut) => {
          const tar = await tarOf(entries);
          expect((await clamp(tar, cut)).equals(tar)).toBe(true);
        },
      ),
      { numRuns: 50 },
    );
  });

  it("refuses what is no tar, and one that ends too soon, with its own error", async () => {
    const tar = await tarOf([{ name: "a", content: "a".repeat(5000), seconds: 1 }]);
    await expect(clamp(tar.subarray(0, 2000))).rejects.toMatchObject({
      code: "ERR_BUILD_TRUNCATED",
    });
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 3000 }), async (bytes) => {
        try {
          await clamp(Buffer.from(bytes));
        } catch (error) {
          expect(error).toMatchObject({ code: "ERR_BUILD_TRUNCATED" });
        }
      }),
    );
  });
});
