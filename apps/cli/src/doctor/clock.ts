import { formatDuration } from "../output/quantity.js";
import { ok, type Check } from "./check.js";

const NOTICEABLE_MS = 30_000;
/** Tokens and certificates begin to be refused. */
const HARMFUL_MS = 300_000;

/** Another side's time of day, as it said it, and when we heard it. */
export interface ClockReading {
  readonly who: string;
  readonly theirs: number;
  readonly ours: number;
}

/** How far our clock is from the others'; HTTP dates have a resolution of one second. */
export function judgeClock(readings: readonly ClockReading[]): Check {
  const [worst] = readings
    .map((reading) => ({ ...reading, skew: Math.abs(reading.theirs - reading.ours) }))
    .sort((a, b) => b.skew - a.skew);
  if (worst === undefined) {
    return { name: "clock", status: "skipped", message: "nobody told the time" };
  }
  if (worst.skew < NOTICEABLE_MS) {
    return ok("clock", `agrees with ${readings.map(({ who }) => who).join(" and ")}`);
  }
  const direction = worst.theirs > worst.ours ? "behind" : "ahead of";
  return {
    name: "clock",
    status: worst.skew < HARMFUL_MS ? "warning" : "failed",
    message: `this machine is ${formatDuration(worst.skew)} ${direction} ${worst.who}`,
    remedy: "Set the clock by the network: timedatectl set-ntp true, or your system's way.",
  };
}
