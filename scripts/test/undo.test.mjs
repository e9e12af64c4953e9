import { describe, expect, it } from "vitest";
import { createUndo } from "../undo.mjs";

describe("undo", () => {
  it("takes back the newest first, once, and goes on after a step that fails", async () => {
    /** @type {string[]} */
    const said = [];
    const undo = createUndo((text) => said.push(text));
    undo.add("first", () => undefined);
    undo.add("second", () => {
      throw new Error("stuck");
    });
    undo.add("third", async () => undefined);
    await undo.run();
    await undo.run();
    expect(said).toEqual(["undone: third", "could not undo: second: stuck", "undone: first"]);
  });

  it("takes back nothing that is kept", async () => {
    /** @type {string[]} */
    const said = [];
    const undo = createUndo((text) => said.push(text));
    undo.add("first", () => undefined);
    undo.keep();
    await undo.run();
    expect(said).toEqual([]);
  });
});
