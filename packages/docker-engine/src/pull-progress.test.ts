import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodePullMessage } from "./pull-progress.js";

const ref = "example.com/a:1";
const digest = `sha256:${"ab".repeat(32)}`;

describe("decodePullMessage", () => {
  it.each([
    ["Pulling fs layer", "waiting"],
    ["Waiting", "waiting"],
    ["Downloading", "downloading"],
    ["Verifying Checksum", "verifying"],
    ["Download complete", "downloaded"],
    ["Extracting", "extracting"],
    ["Pull complete", "complete"],
    ["Already exists", "exists"],
  ])("%s is %s", (status, expected) => {
    expect(decodePullMessage(ref, { id: "abc", status, progressDetail: {} })).toEqual({
      kind: "layer",
      event: { type: "pull.layer", ref, layer: "abc", status: expected },
    });
  });

  it("counts bytes, and knows when the total is unknown", () => {
    const event = (current: number, total: number): unknown =>
      decodePullMessage(ref, {
        id: "abc",
        status: "Downloading",
        progressDetail: { current, total },
      });
    expect(event(10, 100)).toMatchObject({ event: { currentBytes: 10, totalBytes: 100 } });
    expect(event(10, -1)).not.toHaveProperty("event.totalBytes");
  });

  it("reads the digest, and only from a message of its own", () => {
    expect(decodePullMessage(ref, { status: `Digest: ${digest}` })).toEqual({
      kind: "digest",
      digest,
    });
    expect(decodePullMessage(ref, { id: "x", status: `Digest: ${digest}` })).toEqual({
      kind: "other",
    });
    expect(decodePullMessage(ref, { status: "Digest: sha256:short" })).toEqual({ kind: "other" });
  });

  it("takes what it does not know for words", () => {
    expect(decodePullMessage(ref, { status: "Pulling from a", id: "1" })).toEqual({
      kind: "other",
    });
    expect(decodePullMessage(ref, { status: "constructor", id: "1" })).toEqual({ kind: "other" });
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(decodePullMessage(ref, value).kind).toBe("other");
      }),
    );
  });
});
