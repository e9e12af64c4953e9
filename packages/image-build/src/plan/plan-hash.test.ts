import fc from "fast-check";
import { mkdir, mkdtemp, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { digestContext, hashPlan } from "./plan-hash.js";

const step = { name: "app", dockerfile: "Dockerfile", context: "." };

describe("the hash of a plan", () => {
  it("does not depend on order, on the time of the build, or on ways of writing a path", () => {
    const one = hashPlan([
      {
        ...step,
        dockerfile: "./Dockerfile",
        platforms: ["a/b", "c/d"],
        buildArgs: { A: "1", B: "2" },
      },
    ]);
    const other = hashPlan([
      { ...step, platforms: ["c/d", "a/b"], buildArgs: { BUILD_DATE: "now", B: "2", A: "1" } },
    ]);
    expect(one).toBe(other);
  });

  it("tells any two plans apart, also when a value holds line ends", () => {
    const args = fc.dictionary(
      fc.constantFrom("A", "B"),
      fc.string({ unit: fc.constantFrom("\n", "\\", "n", "arg:B=") }),
    );
    fc.assert(
      fc.property(args, args, (a, b) => {
        const isSame = a["A"] === b["A"] && a["B"] === b["B"];
        expect(
          hashPlan([{ ...step, buildArgs: a }]) === hashPlan([{ ...step, buildArgs: b }]),
        ).toBe(isSame);
      }),
    );
  });

  it("changes with the content of the context, and not with its times or what is ignored", async () => {
    const path = await mkdtemp(join(tmpdir(), "molecule-plan-"));
    try {
      await writeFile(join(path, "Dockerfile"), "FROM scratch\n");
      await writeFile(join(path, ".dockerignore"), "ignored\n");
      await mkdir(join(path, "src"));
      await writeFile(join(path, "src/a"), "1");
      const before = await digestContext({ path });
      await utimes(join(path, "src/a"), 1, 1);
      await writeFile(join(path, "ignored"), "x");
      expect(await digestContext({ path })).toBe(before);
      await writeFile(join(path, "src/a"), "2");
      const after = await digestContext({ path });
      expect(after).not.toBe(before);
      expect(hashPlan([{ ...step, contentDigest: after }])).not.toBe(
        hashPlan([{ ...step, contentDigest: before }]),
      );
    } finally {
      await rm(path, { recursive: true, force: true });
    }
  });
});
