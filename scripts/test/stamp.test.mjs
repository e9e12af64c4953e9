import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { unlessUnchanged } from "../stamp.mjs";

describe("unlessUnchanged", () => {
  /** @type {string} */
  let dir;
  /** @type {{ stamp: string, inputs: string[], outputs: string[] }} */
  let what;
  let runs = 0;
  const work = async () => {
    runs += 1;
    await writeFile(join(dir, "output"), "");
  };
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), "stamp-"));
    what = {
      stamp: join(dir, "stamp"),
      inputs: [join(dir, "input")],
      outputs: [join(dir, "output")],
    };
    runs = 0;
    await writeFile(join(dir, "input"), "one");
  });
  afterEach(() => rm(dir, { recursive: true, force: true }));

  it("works once for the same inputs", async () => {
    expect(await unlessUnchanged(what, work)).toBe(true);
    expect(await unlessUnchanged(what, work)).toBe(false);
    expect(runs).toBe(1);
  });

  it("works again when an input changed or an output is gone", async () => {
    await unlessUnchanged(what, work);
    await writeFile(join(dir, "input"), "two");
    expect(await unlessUnchanged(what, work)).toBe(true);
    await rm(join(dir, "output"));
    expect(await unlessUnchanged(what, work)).toBe(true);
  });

  it("works again after it was cut short, also when it had been whole before", async () => {
    await unlessUnchanged(what, work);
    await writeFile(join(dir, "input"), "two");
    const cut = unlessUnchanged(what, async () => {
      throw new Error("cut");
    });
    await expect(cut).rejects.toThrow("cut");
    await writeFile(join(dir, "input"), "one");
    expect(await unlessUnchanged(what, work)).toBe(true);
  });
});
