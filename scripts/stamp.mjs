import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile, rm, writeFile } from "node:fs/promises";

/**
 * Does `work` unless its inputs are what they were when it last came to its end. The stamp is
 * written last, so work that was cut short is done again.
 * @param {{ stamp: string, inputs: string[], outputs?: string[] }} what Absolute paths.
 * @param {() => Promise<unknown>} work
 * @returns {Promise<boolean>} True when there was work.
 */
export async function unlessUnchanged({ stamp, inputs, outputs = [] }, work) {
  const digest = await digestOf(inputs);
  const whole = outputs.every((file) => existsSync(file));
  if (whole && existsSync(stamp) && (await readFile(stamp, "utf8")) === digest) return false;
  await rm(stamp, { force: true });
  await work();
  await writeFile(stamp, digest);
  return true;
}

/** @param {string[]} files */
async function digestOf(files) {
  const hash = createHash("sha256");
  for (const file of [...files].sort()) hash.update(`${file}\0`).update(await readFile(file));
  return hash.digest("hex");
}
