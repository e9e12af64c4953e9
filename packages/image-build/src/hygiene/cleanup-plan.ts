import type { CleanupClass, CleanupPolicy } from "./cleanup-policy.js";

/** One thing that may go, and why. */
export interface CleanupItem {
  readonly class: CleanupClass;
  readonly id: string;
  /** For people. */
  readonly name: string;
  /** The names of an image, which are taken off one by one; empty for all else. */
  readonly names: readonly string[];
  readonly sizeBytes: number;
  readonly reason: string;
}

/** One thing of a class that is cleaned up, and why it stays. */
export interface KeptItem {
  readonly class: CleanupClass;
  readonly id: string;
  readonly name: string;
  readonly sizeBytes: number;
  readonly reason: string;
}

/** What a clean-up would do; plain JSON. Nothing outside `items` is ever removed by it. */
export interface CleanupPlan {
  readonly policy: CleanupPolicy;
  /** When what was there was looked at; Unix milliseconds. */
  readonly plannedAt: number;
  /** In the order of {@link CLEANUP_CLASSES}; build cache with what is built on it before it. */
  readonly items: readonly CleanupItem[];
  readonly kept: readonly KeptItem[];
  /** At most what becomes free: layers that images share are counted for each of them. */
  readonly bytes: number;
}
