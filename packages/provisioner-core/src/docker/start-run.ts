import type { EventSink } from "@molecule-ai/core";
import type { WorkspaceSeed } from "../workspace-backend.js";
import type { DockerContext } from "./context.js";
import type { UndoStack } from "./undo.js";

/** One start under way: what all its steps share. */
export interface StartRun {
  readonly context: DockerContext;
  readonly id: string;
  /** Tag of this attempt. */
  readonly attempt: string;
  /** Labels that tell when and by which attempt something was created. */
  readonly stamp: Readonly<Record<string, string>>;
  readonly createdAt: number;
  readonly seed: WorkspaceSeed;
  readonly undo: UndoStack;
  /** Calls that may go on in the engine although they broke off here. */
  readonly doubt: { create: boolean; stop: boolean };
  readonly signal: AbortSignal | undefined;
  /** Aborts later than `signal`: for calls that change something. */
  readonly late: AbortSignal | undefined;
  readonly onEvent: EventSink | undefined;
  /** The attempt that left these labels is not under way any more. */
  isAbandoned(labels: Readonly<Record<string, string>>): boolean;
}
