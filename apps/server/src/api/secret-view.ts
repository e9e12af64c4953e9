import { z } from "zod";
import { OPERATION_STATES } from "../state/operation-state.js";
import type { OperationRow } from "../operations/operation.js";
import type { SecretEntry } from "../secrets/secret-store.js";

const moment = z.iso.datetime({ offset: true });

/** A secret without its value. */
export const secretView = z
  .object({
    key: z.string(),
    has_value: z.boolean(),
    scope: z.enum(["global", "workspace"]),
    created_at: moment,
    updated_at: moment,
  })
  .meta({ id: "Secret" });

export function toSecretView(entry: SecretEntry): z.infer<typeof secretView> {
  return {
    key: entry.key,
    has_value: true,
    scope: entry.scope,
    created_at: entry.createdAt.toISOString(),
    updated_at: entry.updatedAt.toISOString(),
  };
}

/** The body that saves a secret; what its parts may be is checked by the store of secrets. */
export const secretBody = z.strictObject({
  key: z
    .string()
    .min(1)
    .max(1024)
    .describe("Name of an environment variable, at most 128 characters."),
  value: z.string().min(1).describe("At most 64 KiB."),
});

/** A name in a path. */
export const secretKeyParam = z.string().regex(/^[\x20-\x7e]{1,128}$/, "is no name of a secret");

/** Restarts that a change led to. */
export const restartRefs = z
  .array(z.object({ id: z.uuid(), workspace_id: z.uuid(), state: z.enum(OPERATION_STATES) }))
  .describe("The restarts that bring the change to the agents.");

export function toRestartRefs(rows: readonly OperationRow[]): z.infer<typeof restartRefs> {
  return rows.map(({ id, workspaceId, state }) => ({ id, workspace_id: workspaceId, state }));
}
