#!/usr/bin/env node
// Makes what compose.yaml reads: ./secrets/* for the user of the image, and .env with the number of
// the group of the engine's socket (--socket PATH when it is not where Docker puts it). What exists is
// kept, so a second run changes nothing.
import { randomBytes } from "node:crypto";
import { chown, mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

/** The user of the image; compose mounts the files with the owner they have here. */
const IMAGE_UID = 10_001;

const { values } = parseArgs({
  options: { socket: { type: "string", default: "/var/run/docker.sock" } },
});
const here = dirname(fileURLToPath(import.meta.url));
const directory = join(here, "secrets");

const say = (/** @type {string} */ text) => process.stdout.write(`${text}\n`);

/** @returns {Promise<string>} What is in the file now. */
async function make(/** @type {string} */ name, /** @type {string} */ content) {
  const path = join(directory, name);
  try {
    await writeFile(path, content, { flag: "wx", mode: 0o400 });
    if (process.getuid?.() === 0) await chown(path, IMAGE_UID, IMAGE_UID);
    say(`made ${path}`);
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code !== "EEXIST") throw error;
    say(`kept ${path}`);
  }
  return readFile(path, "utf8");
}

await mkdir(directory, { recursive: true, mode: 0o711 });
const password = await make("postgres_password", randomBytes(24).toString("hex"));
await make("database_url", `postgres://molecule:${password}@postgres:5432/molecule`);
await make("encryption_key", randomBytes(32).toString("hex"));
const token = await make("admin_token", randomBytes(32).toString("base64url"));

const { gid } = await stat(values.socket);
try {
  await writeFile(join(here, ".env"), `DOCKER_GID=${gid}\n`, { flag: "wx" });
} catch (error) {
  if (/** @type {NodeJS.ErrnoException} */ (error).code !== "EEXIST") throw error;
}
say(
  `The administrator's token is in ${join(directory, "admin_token")} (${token.length} characters).`,
);
if (process.getuid?.() !== 0) {
  say(`Run this as root, or: sudo chown ${IMAGE_UID} ${directory}/*`);
}
