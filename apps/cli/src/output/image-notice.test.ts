import { describe, expect, it } from "vitest";
import { isImageEvent, noticeOfImageEvent } from "./image-notice.js";

const digest = `sha256:${"ab".repeat(32)}`;

describe("what the image commands tell", () => {
  it("is said where it is news for a person", () => {
    expect(
      noticeOfImageEvent({
        type: "push.tag",
        tag: "r/a:1",
        status: "retrying",
        reason: "connection timed out (network)",
        delayMs: 1500,
      }),
    ).toBe("! r/a:1: connection timed out (network), again in 1.5 s");
    expect(
      noticeOfImageEvent({ type: "push.cancelled", pushed: [], remaining: ["r/a:1", "r/a:2"] }),
    ).toBe("! not pushed: r/a:1\n! not pushed: r/a:2");
    const blob = { type: "copy.blob", digest, sizeBytes: 2048, currentBytes: 0 } as const;
    expect(noticeOfImageEvent({ ...blob, status: "mounted" })).toBe(
      "  sha256:abababababab  mounted  2.0 kB",
    );
    expect(noticeOfImageEvent({ ...blob, status: "copying" })).toBeUndefined();
  });

  it("is told apart from what all commands tell", () => {
    expect(isImageEvent({ type: "copy.manifest", digest, mediaType: "x" })).toBe(true);
    expect(isImageEvent({ type: "push.layer", ref: "r", layer: "l", status: "pushing" })).toBe(
      false,
    );
    expect(isImageEvent({ type: "output", stream: "stdout", text: "x" })).toBe(false);
  });
});
