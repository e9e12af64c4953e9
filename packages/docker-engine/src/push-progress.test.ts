import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodePushMessage } from "./push-progress.js";

const ref = "example.com/a:1";
const digest = `sha256:${"ab".repeat(32)}`;

describe("decodePushMessage", () => {
  it.each([
    ["Preparing", "preparing"],
    ["Waiting", "waiting"],
    ["Pushing", "pushing"],
    ["Pushed", "complete"],
    ["Layer already exists", "exists"],
    ["Mounted from team/agent", "mounted"],
  ])("%s is %s", (status, expected) => {
    expect(decodePushMessage(ref, { id: "abc", status, progressDetail: {} })).toEqual({
      kind: "layer",
      event: { type: "push.layer", ref, layer: "abc", status: expected },
    });
  });

  it("counts bytes, and knows when the total is unknown", () => {
    const event = (progressDetail: object): unknown =>
      decodePushMessage(ref, { id: "abc", status: "Pushing", progressDetail });
    expect(event({ current: 10, total: 100 })).toMatchObject({
      event: { currentBytes: 10, totalBytes: 100 },
    });
    expect(event({ current: 10 })).not.toHaveProperty("event.totalBytes");
  });

  it("reads the manifest from what is meant for programs, else from the line for people", () => {
    const manifest = { kind: "manifest", digest, sizeBytes: 527 };
    const aux = { Tag: "1", Digest: digest, Size: 527 };
    expect(decodePushMessage(ref, { progressDetail: {}, aux })).toEqual(manifest);
    expect(decodePushMessage(ref, { status: `1: digest: ${digest} size: 527` })).toEqual(manifest);
    expect(decodePushMessage(ref, { id: "x", status: `1: digest: ${digest} size: 527` })).toEqual({
      kind: "other",
    });
    expect(decodePushMessage(ref, { aux: { Digest: "sha256:short" } })).toEqual({ kind: "other" });
  });

  it("takes what it does not know for words", () => {
    expect(decodePushMessage(ref, { id: "1", status: "Retrying in 5 seconds" })).toEqual({
      kind: "other",
    });
    expect(decodePushMessage(ref, { id: "1", status: "constructor" })).toEqual({ kind: "other" });
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(decodePushMessage(ref, value).kind).toBe("other");
      }),
    );
  });
});
