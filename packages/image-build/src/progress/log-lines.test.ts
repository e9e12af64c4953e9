import { expect, it } from "vitest";
import { createLogLines } from "./log-lines.js";

it("writes a build as lines with numbered steps", () => {
  const lines: string[] = [];
  const accept = createLogLines((line) => lines.push(line));
  const vertex = { type: "build.vertex", id: "b", name: "[2/2] RUN make" } as const;
  accept({ type: "build.vertex", id: "a", name: "[1/2] FROM x", status: "cached" });
  accept({ ...vertex, status: "started" });
  accept({ type: "build.log", vertex: "b", stream: "stdout", line: "hello" });
  accept({ type: "build.status", vertex: "b", name: "bytes", current: 1 });
  accept({ type: "warning", code: "W", message: "careful" });
  accept({ ...vertex, status: "failed", error: "exit code: 2" });
  accept({ type: "build.vertex", id: "c", name: "export", status: "completed", durationMs: 1250 });
  accept({ type: "build.vertex", id: "d", name: "other", status: "canceled" });
  expect(lines).toEqual([
    "#1 [1/2] FROM x",
    "#1 CACHED",
    "#2 [2/2] RUN make",
    "#2 hello",
    "WARNING: careful",
    "#2 ERROR: exit code: 2",
    "#3 export",
    "#3 DONE 1.3s",
    "#4 other",
    "#4 CANCELED",
  ]);
});
