import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeWorkers, hasContentStore } from "./buildkit-workers.js";

type Field = readonly [number: number, value: string | readonly Field[]];

function encode(fields: readonly Field[]): Uint8Array {
  const writer = new BinaryWriter();
  for (const [number, value] of fields) {
    writer.tag(number, WireType.LengthDelimited);
    writer.bytes(typeof value === "string" ? Buffer.from(value) : encode(value));
  }
  return writer.finish();
}

describe("the workers of a daemon", () => {
  test("are read with labels, platforms and the version of the daemon", () => {
    const label: Field = [
      2,
      [
        [1, "org.mobyproject.buildkit.worker.snapshotter"],
        [2, "overlayfs"],
      ],
    ];
    const bytes = encode([
      [
        1,
        [
          [1, "w1"],
          label,
          [
            3,
            [
              [1, "arm64"],
              [2, "linux"],
              [3, "v8"],
            ],
          ],
          [
            3,
            [
              [1, "amd64"],
              [2, "linux"],
            ],
          ],
          [4, "a rule that is not read"],
          [
            5,
            [
              [1, "github.com/moby/buildkit"],
              [2, "v0.17.1"],
            ],
          ],
        ],
      ],
    ]);
    const [worker] = decodeWorkers(bytes) ?? [];
    expect(worker).toEqual({
      id: "w1",
      labels: { "org.mobyproject.buildkit.worker.snapshotter": "overlayfs" },
      platforms: ["linux/arm64/v8", "linux/amd64"],
      buildkitVersion: "v0.17.1",
    });
    expect(hasContentStore(worker?.labels ?? {})).toBe(true);
    expect(hasContentStore({})).toBe(false);
  });

  test("are undefined for bytes that are something else", () => {
    expect(decodeWorkers(Buffer.from("HTTP/1.1 400 Bad Request"))).toBeUndefined();
    expect(decodeWorkers(new Uint8Array())).toEqual([]);
  });

  test("never throw and hold no control characters, whatever the bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        const printed = JSON.stringify(decodeWorkers(bytes) ?? []);
        expect(printed).not.toMatch(/\\u00[01]/);
      }),
    );
  });
});
