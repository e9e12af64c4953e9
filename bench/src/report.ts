import type { Measurement, Target } from "./measure.js";

/** The table of docs/performance.md. */
export function formatTable(measurements: readonly Measurement[]): string {
  const rows = measurements.map((m) => [
    m.title,
    m.against,
    `${formatMs(m.ours.p50)} / ${formatMs(m.ours.p99)}`,
    `${formatMs(m.theirs.p50)} / ${formatMs(m.theirs.p99)}`,
    `${m.ratio.toFixed(2)}×`,
    formatTarget(m.target),
    m.met ? "met" : "missed",
  ]);
  const header = [
    "scenario",
    "against",
    "ours p50 / p99",
    "theirs p50 / p99",
    "ratio",
    "target",
    "",
  ];
  return [header, header.map(() => "---"), ...rows]
    .map((cells) => `| ${cells.join(" | ")} |`)
    .join("\n");
}

/** `≤ 1.03×` or `≤ 150 ms`. */
export function formatTarget(target: Target): string {
  return typeof target === "number" ? `≤ ${target}×` : `≤ ${target.ms} ms`;
}

function formatMs(ms: number): string {
  return ms >= 10_000 ? `${(ms / 1000).toFixed(1)} s` : `${ms.toFixed(ms < 100 ? 1 : 0)} ms`;
}
