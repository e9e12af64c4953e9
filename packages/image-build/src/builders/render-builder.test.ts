import { expect, test } from "vitest";
import { parseInspect } from "./parse-inspect.js";
import { renderBuilder } from "./render-builder.js";

const NODE = "Endpoint: tcp://h:1\nStatus: running\n";

test("every node of a builder is shown", () => {
  const text = `Name: b\nDriver: remote\n\nNodes:\nName: b0\n${NODE}\nName: b1\nEndpoint: e\nError: refused\n`;
  expect(renderBuilder(parseInspect(text))).toBe(
    `
    ── Builder ──────────────────────────────────────────────
    │ builder       b
    │ driver        remote
    │ 
    │ node          b0
    │ endpoint      tcp://h:1
    │ status        running
    │ 
    │ node          b1
    │ endpoint      e
    │ status        error: refused
    └─────────────────────────────────────────────────────────────
`,
  );
});

test("limits of older versions are shown too", () => {
  const text = `Name: b\nDriver: docker-container\n\nNodes:\nName: b0\n${NODE}GC Policy rule#0:\n All: true\n Keep Bytes: 9.313GiB\n`;
  expect(renderBuilder(parseInspect(text))).toContain(
    "    │   all (fallback)                     bytes 9.313GiB\n",
  );
});

test("what was not understood is shown as it was printed, made safe", () => {
  const output = "Driver: docker\nStatus: running\n\u001b[31mred\n\n";
  expect(renderBuilder(parseInspect(output), { output })).toBe(
    `
    ── Builder ──────────────────────────────────────────────
    │ status        running
    │ Driver: docker
    │ Status: running
    │ red
    └─────────────────────────────────────────────────────────────
`,
  );
});
