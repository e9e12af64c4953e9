import { ServerError } from "../errors.js";
import type { ServerContext } from "../server-context.js";
import { recordEvents } from "../store/events.js";
import type { Requester } from "./requester.js";

/**
 * Refuses a tier above what this server allows, and records who asked for it.
 *
 * @throws ServerError `ERR_TIER_NOT_ALLOWED`
 */
export async function limitTier(
  context: ServerContext,
  tier: number,
  asked: {
    readonly workspaceId?: string | undefined;
    readonly name?: string | undefined;
    readonly requester: Requester;
  },
): Promise<void> {
  const { maxTier } = context.config;
  if (tier <= maxTier) return;
  const { workspaceId, name, requester } = asked;
  await context.store.db.transaction((tx) =>
    recordEvents(tx, [
      {
        type: "TIER_REFUSED",
        workspaceId,
        ...requester,
        payload: { tier, max_tier: maxTier, ...(name === undefined ? {} : { name }) },
      },
    ]),
  );
  throw new ServerError(
    "ERR_TIER_NOT_ALLOWED",
    `Tier ${tier} is not allowed here: the highest is ${maxTier}.`,
    {
      hint: "Ask for a lower tier, or have the operator raise MOLECULE_MAX_TIER.",
      details: { tier, max_tier: maxTier },
    },
  );
}
