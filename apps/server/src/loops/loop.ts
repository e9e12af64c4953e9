import type { JsonObject } from "@molecule-ai/core";

/** Work that is done again and again in the background, by one process at a time. */
export interface Loop {
  readonly name: string;
  readonly intervalMs: number;
  /** Longest time of one run. */
  readonly timeoutMs: number;
  /** Led by one process of each engine, not by one of all. */
  readonly perHost: boolean;
  /** One run; what it resolves with is shown to people. Its failure is stored and tried again. */
  run(options: { readonly signal: AbortSignal }): Promise<JsonObject>;
  /**
   * Listens as long as this process leads, and asks for a run before it is due. When it ends or
   * fails it is started again.
   */
  watch?(options: { readonly signal: AbortSignal; readonly wake: () => void }): Promise<void>;
}
