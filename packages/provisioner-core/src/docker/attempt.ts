import { LABELS, type Clock } from "@molecule-ai/core";
import { randomBytes } from "node:crypto";
import { hostname } from "node:os";

/** Attempts of this process that are still under way. */
const running = new Set<string>();

/** How long an unfinished start of an unknown process is believed to be under way. */
const STALE_AFTER_MS = 15 * 60_000;

/** One start of one process; its tag is on everything it creates. */
export interface Attempt extends Disposable {
  readonly tag: string;
}

export function beginAttempt(): Attempt {
  const tag = `${hostname()}/${process.pid}/${randomBytes(6).toString("hex")}`;
  running.add(tag);
  return { tag, [Symbol.dispose]: () => void running.delete(tag) };
}

/**
 * True when the attempt that left these labels behind cannot be under way any more: its process is
 * gone from this machine, or too long ago.
 */
export function isAbandoned(labels: Readonly<Record<string, string>>, clock: Clock): boolean {
  const tag = labels[LABELS.attempt] ?? "";
  const [host, pid] = tag.split("/");
  if (host === hostname() && pid !== undefined && /^[1-9][0-9]{0,9}$/.test(pid)) {
    if (Number(pid) === process.pid) return !running.has(tag);
    if (!isAlive(Number(pid))) return true;
  }
  const createdAt = Number(labels[LABELS.createdAt]);
  return Number.isFinite(createdAt) && clock.now() - createdAt > STALE_AFTER_MS;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it exists and is somebody else's.
    return (error as NodeJS.ErrnoException).code !== "ESRCH";
  }
}
