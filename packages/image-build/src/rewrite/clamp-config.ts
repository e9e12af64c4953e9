/** Keys BuildKit leaves in a configuration that speak of the layers as they were. */
const OF_THE_LAYERS = ["moby.buildkit.cache.v0"];

/**
 * The configuration with no time in it later than `epoch` (Unix seconds), and the layers as they are
 * now. Pure; the key order stays, so the same configuration gives the same bytes.
 */
export function clampConfig(
  config: Readonly<Record<string, unknown>>,
  diffIds: readonly string[],
  epoch: number,
): Record<string, unknown> {
  const clamped: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(config)) {
    if (OF_THE_LAYERS.includes(key)) continue;
    if (key === "created") clamped[key] = clampTime(value, epoch);
    else if (key === "history") clamped[key] = clampHistory(value, epoch);
    else if (key === "rootfs") clamped[key] = { type: "layers", diff_ids: diffIds };
    else clamped[key] = value;
  }
  return clamped;
}

function clampHistory(history: unknown, epoch: number): unknown {
  if (!Array.isArray(history)) return history;
  return history.map((step: unknown) =>
    typeof step === "object" && step !== null && "created" in step
      ? { ...step, created: clampTime(step.created, epoch) }
      : step,
  );
}

function clampTime(value: unknown, epoch: number): unknown {
  if (typeof value !== "string") return value;
  const time = Date.parse(value);
  // The engine writes seconds without a fraction like this.
  const limit = new Date(epoch * 1000).toISOString().replace(".000Z", "Z");
  return Number.isNaN(time) || time > epoch * 1000 ? limit : value;
}
