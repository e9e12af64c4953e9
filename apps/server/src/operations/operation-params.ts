import { z } from "zod";

/**
 * What an operation needs to know besides the row of its workspace; kept as JSON beside it. All of it
 * was checked when the operation was asked for.
 */
export const operationParams = z.object({
  /**
   * provision, restart: the template below the configs directory whose files are laid over the
   * configuration. Absent: the configuration stays as it is, and is made when there is none.
   */
  template: z.string().optional(),
  /** restart: the configuration is made anew, from `template` or by default, whatever is there. */
  rebuildConfig: z.boolean().optional(),
  /** restart: the conversation is forgotten. */
  reset: z.boolean().optional(),
  /** restart: the newest image of the runtime; otherwise the very image it had. */
  upgrade: z.boolean().optional(),
  /** restart: an agent ran when it was asked for, so one that never begins leaves it running. */
  ranBefore: z.boolean().optional(),
  /** remove: the row and all that hangs on it goes too. */
  purge: z.boolean().optional(),
  /** remove: only the container goes. */
  keepVolumes: z.boolean().optional(),
});
export type OperationParams = z.infer<typeof operationParams>;
