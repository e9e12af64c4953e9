import { isInstallId } from "@molecule-ai/core";
import { randomBytes } from "node:crypto";
import { eq } from "drizzle-orm";
import { ServerError } from "./errors.js";
import type { Database } from "./store/database.js";
import { settings } from "./store/schema.js";

const KEY = "install_id";

/**
 * The id on everything this fleet creates: the configured one, else a random one that the first
 * process on the store chose.
 *
 * @throws ServerError `ERR_SERVER_CONFIG` when the stored one cannot be an install id.
 */
export async function readInstallId(db: Database, configured: string | undefined): Promise<string> {
  if (configured !== undefined) return configured;
  await db
    .insert(settings)
    .values({ key: KEY, value: `server-${randomBytes(6).toString("hex")}` })
    .onConflictDoNothing();
  const [row] = await db.select().from(settings).where(eq(settings.key, KEY));
  if (typeof row?.value === "string" && isInstallId(row.value)) return row.value;
  throw new ServerError("ERR_SERVER_CONFIG", "The stored install id is not usable.", {
    hint: "Set MOLECULE_INSTALL_ID to the value of the label molecule.platform.install on the containers.",
  });
}
