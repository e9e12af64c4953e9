import { LABELS, type Clock } from "@molecule-ai/core";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
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
  const { pid } = process;
  const startedAt = startOf(pid) ?? "0";
  const tag = `${hostname()}/${pid}/${startedAt}/${randomBytes(6).toString("hex")}`;
  running.add(tag);
  return { tag, [Symbol.dispose]: () => void running.delete(tag) };
}

/**
 * True when the attempt that left these labels behind cannot be under way any more: its process is
 * gone from this machine, or too long ago. With `takeOver`, also when it is anybody's but this
 * process's own: the caller knows that nobody else works on the workspace.
 */
export function isAbandoned(
  labels: Readonly<Record<string, string>>,
  clock: Clock,
  { takeOver = false }: { readonly takeOver?: boolean | undefined } = {},
): boolean {
  const tag = labels[LABELS.attempt] ?? "";
  if (running.has(tag)) return false;
  if (takeOver) return true;
  const [host, number, startedAt] = tag.split("/");
  if (host === hostname() && number !== undefined && /^[1-9][0-9]{0,9}$/.test(number)) {
    const pid = Number(number);
    if (pid === process.pid || !isAlive(pid)) return true;
    // In a container that is started again, the same numbers are given to other processes.
    const now = startOf(pid);
    if (now !== undefined && /^[1-9][0-9]*$/.test(startedAt ?? "") && now !== startedAt)
      return true;
  }
  const createdAt = Number(labels[LABELS.createdAt]);
  return Number.isFinite(createdAt) && clock.now() - createdAt > STALE_AFTER_MS;
}

/** When a process started, in ticks since the boot of the machine; undefined where nobody tells. */
function startOf(pid: number): string | undefined {
  try {
    // Its name is in parentheses and may hold anything; the 20th field after it is the start.
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  } catch {
    return undefined;
  }
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
