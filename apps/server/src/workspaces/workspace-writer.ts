import type { ServerContext } from "../server-context.js";
import { isConnectionFailure } from "../store/connection-failure.js";
import {
  createWorkspaces,
  type CreatedWorkspace,
  type WantedWorkspace,
} from "./create-workspace.js";

const MOST_TOGETHER = 100;

/** Writes workspaces that are asked for at about the same time in one transaction. */
export interface WorkspaceWriter {
  /** Resolves once the workspace is durable. Rejects with what is wrong with it, and with no other. */
  write(one: WantedWorkspace): Promise<CreatedWorkspace>;
}

interface Waiting {
  readonly one: WantedWorkspace;
  readonly resolve: (created: CreatedWorkspace) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * What comes while a transaction is under way goes together into the next one, so that under load the
 * price of a transaction is shared, and without it nobody waits.
 */
export function createWorkspaceWriter(
  context: Pick<ServerContext, "store" | "operations" | "secrets">,
): WorkspaceWriter {
  let waiting: Waiting[] = [];
  let writing: Promise<void> | undefined;

  const writeAll = async (): Promise<void> => {
    // Those whose requests were read from the network at the same moment belong together.
    await new Promise((resolve) => setImmediate(resolve));
    while (waiting.length > 0) {
      const batch = waiting.slice(0, MOST_TOGETHER);
      waiting = waiting.slice(MOST_TOGETHER);
      await writeBatch(batch);
    }
    writing = undefined;
  };

  /** Never rejects: each hears of its own end. */
  const writeBatch = async (batch: readonly Waiting[]): Promise<void> => {
    let isCommitting = false;
    try {
      const created = await context.store.db.transaction(async (tx) => {
        isCommitting = false;
        const rows = await createWorkspaces(
          tx,
          context,
          batch.map(({ one }) => one),
        );
        isCommitting = true;
        return rows;
      });
      batch.forEach(({ resolve }, index) => resolve(created[index] as CreatedWorkspace));
    } catch (error) {
      // When the commit got no answer, they may all be there: another try would make each twice.
      if (batch.length === 1 || isCommitting || isConnectionFailure(error)) {
        for (const { reject } of batch) reject(error);
        return;
      }
      // One of them is at fault, and the others are not to suffer for it.
      for (const alone of batch) await writeBatch([alone]);
    }
  };

  return {
    write: (one) =>
      new Promise((resolve, reject) => {
        waiting.push({ one, resolve, reject });
        writing ??= writeAll();
      }),
  };
}
