import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createPushRecords, parsePushRecord, PUSHES_DIRECTORY } from "./push-record.js";

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "push-record-"));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const image = (name: string): { imageId: string; digest: string } => ({
  imageId: `sha256:${name}`,
  digest: `sha256:${name}${name}`,
});

describe("the record of what was pushed", () => {
  it("is empty at first, and then knows the last meaning of every reference", async () => {
    const records = createPushRecords(directory);
    expect(await records.read("langgraph")).toEqual(new Map());
    await records.add("langgraph", new Map([["r/a:1", image("1")]]));
    await records.add("langgraph", new Map([["r/a:latest", image("1")]]));
    await records.add("langgraph", new Map([["r/a:latest", image("2")]]));
    expect(await createPushRecords(directory).read("langgraph")).toEqual(
      new Map([
        ["r/a:1", image("1")],
        ["r/a:latest", image("2")],
      ]),
    );
    expect(await records.read("other")).toEqual(new Map());
    expect(await readdir(join(directory, PUSHES_DIRECTORY))).toEqual(["langgraph.json"]);
  });

  it("forgets the oldest, so that it does not grow", async () => {
    const records = createPushRecords(directory);
    for (let at = 0; at < 3; at++) {
      const many = Array.from({ length: 60 }, (_, index) => `r/a:${at}-${index}`);
      await records.add("x", new Map(many.map((ref) => [ref, image(ref)])));
    }
    const known = await records.read("x");
    expect(known.size).toBe(100);
    expect(known.has("r/a:2-59")).toBe(true);
    expect(known.has("r/a:0-0")).toBe(false);
  });

  it("leaves out what is no record, whatever the file holds", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        expect(parsePushRecord(text)).toBeInstanceOf(Map);
      }),
    );
    const mixed = JSON.stringify([["r/a:1", image("1")], ["r/a:2"], 5, null, [1, {}]]);
    expect(parsePushRecord(mixed)).toEqual(new Map([["r/a:1", image("1")]]));
  });

  it("reads back what it wrote", () => {
    const entry = fc.tuple(
      fc.string(),
      fc.record({ imageId: fc.string(), digest: fc.string() }, { noNullPrototype: true }),
    );
    fc.assert(
      fc.property(fc.array(entry), (entries) => {
        const known = new Map(entries);
        expect(parsePushRecord(JSON.stringify([...known]))).toEqual(known);
      }),
    );
  });
});
