import { mkdir, mkdtemp, readdir, rm, stat, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  createCheckoutStore,
  parseCheckoutRecord,
  TOUCH_INTERVAL_MS,
  type CheckoutRecord,
  type CheckoutStore,
} from "./checkout-store.js";

const SHA = "a".repeat(40);
const RECORD: CheckoutRecord = {
  version: 1,
  runtime: "langgraph",
  sha: SHA,
  tree: "b".repeat(40),
  source: "https://h/o/r",
  committedAt: 5,
  files: 1,
  sizeBytes: 2,
  via: "git",
  submodules: {},
};

let directory: string;
let store: CheckoutStore;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "store-"));
  store = createCheckoutStore({ directory, mustOwn: false, now: () => Date.now() });
});
afterEach(() => rm(directory, { recursive: true, force: true }));

async function publish(): Promise<string> {
  await using scratch = await store.createScratch("langgraph");
  await mkdir(scratch.files);
  await writeFile(join(scratch.files, "Dockerfile"), "x");
  return (await store.publish(scratch, RECORD)).path;
}

describe("a checkout", () => {
  test("is found once published, under runtime and twelve digits", async () => {
    expect(await store.find("langgraph", SHA)).toBeUndefined();
    const path = await publish();
    expect(path).toBe(join(directory, "langgraph", "a".repeat(12)));
    expect(await store.find("langgraph", SHA)).toMatchObject({ path, record: RECORD });
    expect(await readdir(join(directory, "langgraph"))).toHaveLength(2);
  });

  test("of another commit with the same twelve digits is not found", async () => {
    await publish();
    expect(await store.find("langgraph", `${"a".repeat(12)}${"0".repeat(28)}`)).toBeUndefined();
  });

  test.each(["", "{}", "[]", "null", JSON.stringify({ ...RECORD, runtime: "hermes" })])(
    "whose record is %j is no checkout but a leftover",
    async (text) => {
      const path = await publish();
      await writeFile(`${path}.json`, text);
      expect(await store.find("langgraph", SHA)).toBeUndefined();
      expect(await store.list()).toEqual({
        checkouts: [],
        leftovers: [{ runtime: "langgraph", path }],
      });
    },
  );

  test("that is used is marked as used, but not at every use", async () => {
    const path = await publish();
    const longAgo = new Date(Date.now() - 2 * TOUCH_INTERVAL_MS);
    await utimes(`${path}.json`, longAgo, longAgo);
    await store.find("langgraph", SHA);
    const first = (await stat(`${path}.json`)).mtimeMs;
    expect(first).toBeGreaterThan(longAgo.getTime());
    await store.find("langgraph", SHA);
    expect((await stat(`${path}.json`)).mtimeMs).toBe(first);
  });

  test("that is removed is gone whole", async () => {
    await publish();
    await store.remove("langgraph", SHA);
    expect(await readdir(join(directory, "langgraph"))).toEqual([]);
    await store.remove("langgraph", SHA);
  });
});

test("a cache that is not there has nothing in it", async () => {
  const missing = createCheckoutStore({
    directory: join(directory, "missing"),
    mustOwn: true,
    now: () => 0,
  });
  expect(await missing.list()).toEqual({ checkouts: [], leftovers: [] });
  expect(await missing.find("langgraph", SHA)).toBeUndefined();
});

describe("a record", () => {
  test("is read back as it was written", () => {
    expect(parseCheckoutRecord(JSON.stringify(RECORD))).toEqual(RECORD);
    const { committedAt: _none, ...untimed } = RECORD;
    expect(parseCheckoutRecord(JSON.stringify(untimed))).toEqual({ ...untimed });
  });

  test("is refused when any field is of another kind, never with a crash", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...Object.keys(RECORD)),
        fc.anything({ maxDepth: 1 }).filter((value) => value !== undefined),
        (key, value) => {
          const text = JSON.stringify({ ...RECORD, [key]: value });
          const read = parseCheckoutRecord(text);
          if (read !== undefined)
            expect(JSON.parse(text)).toMatchObject(JSON.parse(JSON.stringify(read)) as object);
        },
      ),
    );
    fc.assert(fc.property(fc.string(), (text) => void parseCheckoutRecord(text)));
  });
});
