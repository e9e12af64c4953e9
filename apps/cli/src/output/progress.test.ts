import type { ProvisionEvent } from "@molecule-ai/core";
import { describe, expect, it } from "vitest";
import { COLD_START, FAILED_BUILD, PULL, PUSH } from "../../test/fixtures/recorded-events.js";
import { createLiveProgress, createPlainProgress } from "./progress.js";
import { createStyle } from "./style.js";
import { textWidth } from "./text-width.js";

const ERASE_LINE = "\r\u001b[2K";

function plain(events: readonly ProvisionEvent[], stepMs = 0, unicode = true): string {
  let text = "";
  let now = 0;
  const progress = createPlainProgress({
    write: (piece) => (text += piece),
    style: createStyle(false),
    now: () => (now += stepMs),
    unicode,
  });
  for (const event of events) progress.onEvent(event);
  progress.close();
  return text;
}

interface Screen {
  /** All that was written. */
  readonly raw: string;
  /** What stays, line by line. */
  readonly lines: readonly string[];
  /** The live line as it was after every event and tick. */
  readonly live: readonly string[];
  readonly ticking: boolean;
}

/** A terminal of one row of concern: what is written after the last newline, erased on request. */
function live(events: readonly ProvisionEvent[], columns = 60): Screen {
  let raw = "";
  let now = 0;
  const ticks = new Set<() => void>();
  const lines: string[] = [];
  const seen: string[] = [];
  let current = "";
  const progress = createLiveProgress({
    write(piece) {
      raw += piece;
      for (const [index, part] of piece.split(ERASE_LINE).entries()) {
        if (index > 0) current = "";
        const [first = "", ...rest] = part.split("\n");
        current += first;
        for (const next of rest) {
          lines.push(current);
          current = next;
        }
      }
    },
    style: createStyle(false),
    now: () => now,
    unicode: true,
    columns: () => columns,
    every(_ms, callback) {
      ticks.add(callback);
      return () => ticks.delete(callback);
    },
  });
  for (const event of events) {
    progress.onEvent(event);
    now += 100;
    for (const tick of ticks) tick();
    if (current !== "" && seen.at(-1) !== current) seen.push(current);
  }
  progress.close();
  expect(current).toBe("");
  return { raw, lines, live: seen, ticking: ticks.size > 0 };
}

describe("plain progress", () => {
  it("has a line for every finished stage and every step of a build", () => {
    expect(plain(COLD_START)).toMatchInlineSnapshot(`
      "✓ head      3f2a9c0d1b2e  12 ms
      ✓ checkout  fetched  80 ms
      … build     molecule-local/workspace-template-hello
        [1/3] FROM base (cached)
        [2/3] RUN apt-get install
      ✓ build     built  4.2 s
      ! The engine has 2 CPUs, the tier asks for 4
        Nothing to do.
      ✓ start     started  250 ms
      "
    `);
  });
  it("says that a pull lives, but not for every layer event", () => {
    expect(plain(PULL)).toMatchInlineSnapshot(`
      "… pull      registry.example/hello:1
        registry.example/hello:1: another caller is at it, waiting
      ✓ pull      pulled  1 min 01 s
      "
    `);
    expect(plain(PULL, 4000)).toMatchInlineSnapshot(`
      "… pull      registry.example/hello:1
        registry.example/hello:1: another caller is at it, waiting
        1 of 3 layers, 5.0 MB of 10 MB
      ✓ pull      pulled  1 min 01 s
      "
    `);
  });
  it("says that a push lives", () => {
    expect(plain(PUSH, 4000)).toMatchInlineSnapshot(`
      "… push      registry.example/hello:1
        1 of 2 layers
      ✓ push      sha256:8040dc9dcdd8  1 min 01 s
      "
    `);
  });
  it("says what failed and what was undone", () => {
    expect(plain(FAILED_BUILD)).toMatchInlineSnapshot(`
      "… build     molecule-local/workspace-template-broken
        [2/2] RUN false
      ✗ build     failed  312 ms
      ↩ undone    checkout 3f2a9c0d1b2e
      "
    `);
  });
  it("draws ASCII where nothing else can be drawn", () => {
    // oxlint-disable-next-line no-control-regex
    expect(plain([...COLD_START, ...FAILED_BUILD], 0, false)).toMatch(/^[\u0000-\u007f]*$/);
  });
  it("never writes an escape sequence without colour", () => {
    expect(plain([...COLD_START, ...PULL, ...FAILED_BUILD])).not.toContain("\u001b");
  });
});

describe("live progress", () => {
  it("leaves one line for every finished stage", () => {
    expect(live(COLD_START).lines).toMatchInlineSnapshot(`
      [
        "✓ head      3f2a9c0d1b2e  12 ms",
        "✓ checkout  fetched  80 ms",
        "✓ build     built  4.2 s",
        "! The engine has 2 CPUs, the tier asks for 4",
        "  Nothing to do.",
        "✓ start     started  250 ms",
      ]
    `);
  });
  it("shows in one line what is under way", () => {
    expect(live(COLD_START).live).toMatchInlineSnapshot(`
      [
        "⠙ head      http://git.example/org/template-hello  100 ms",
        "⠸ checkout  3f2a9c0d1b2e  100 ms",
        "⠴ build     molecule-local/workspace-template-hello  100 ms",
        "⠦ build     [internal] load build definition  200 ms",
        "⠧ build     molecule-local/workspace-template-hello  300 ms",
        "⠇ build     molecule-local/workspace-template-hello  400 ms",
        "⠏ build     [2/3] RUN apt-get install  500 ms",
        "⠋ build     [2/3] RUN apt-get install · Reading pa…  600 ms",
        "⠙ build     [2/3] RUN apt-get install · Reading pa…  700 ms",
        "⠹ build     [2/3] RUN apt-get install 1.0 MB of 4.…  800 ms",
        "⠸ build     molecule-local/workspace-template-hello  900 ms",
        "⠼ build     exporting to image  1.0 s",
        "⠴ build     molecule-local/workspace-template-hello  1.1 s",
        "⠇ start     ws-0123456789ab  100 ms",
      ]
    `);
    expect(live(PULL).live).toMatchInlineSnapshot(`
      [
        "⠙ pull      registry.example/hello:1  100 ms",
        "⠹ pull      registry.example/hello:1: another proc…  200 ms",
        "⠸ pull      1 of 1 layer  300 ms",
        "⠼ pull      1 of 2 layers, 5.0 MB of 10 MB  400 ms",
        "⠴ pull      1 of 3 layers, 5.0 MB of 10 MB  500 ms",
        "⠦ pull      1 of 3 layers, 10 MB of 10 MB  600 ms",
        "⠧ pull      2 of 3 layers, 10 MB of 10 MB  700 ms",
      ]
    `);
  });
  it("keeps counting the bytes of layers that are pushed", () => {
    expect(live(PUSH).live).toMatchInlineSnapshot(`
      [
        "⠙ push      registry.example/hello:1  100 ms",
        "⠹ push      0 of 1 layer  200 ms",
        "⠸ push      0 of 2 layers  300 ms",
        "⠼ push      1 of 2 layers  400 ms",
        "⠴ push      1 of 2 layers, 1.0 MB of 3.0 MB  500 ms",
        "⠦ push      2 of 2 layers, 3.0 MB of 3.0 MB  600 ms",
      ]
    `);
  });
  it("never fills the line, however narrow the terminal", () => {
    for (const columns of [20, 33, 40, 60, 200]) {
      for (const line of [...live(COLD_START, columns).live, ...live(PULL, columns).live]) {
        expect(textWidth(line)).toBeLessThan(Math.max(columns, 24));
      }
    }
  });
  it("stops its timer and leaves no live line behind, also in the middle of a stage", () => {
    const screen = live(COLD_START.slice(0, 9));
    expect(screen.ticking).toBe(false);
    expect(screen.raw.endsWith(ERASE_LINE)).toBe(true);
  });
  it("keeps failures and what was undone", () => {
    expect(live(FAILED_BUILD).lines).toMatchInlineSnapshot(`
      [
        "✗ build     failed  312 ms",
        "↩ undone    checkout 3f2a9c0d1b2e",
      ]
    `);
  });
});
