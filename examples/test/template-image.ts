import { readdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { callEngine } from "@molecule-ai/testkit";
import { pack } from "tar-stream";

const TEMPLATES = join(dirname(fileURLToPath(import.meta.url)), "../templates");

/** What the templates build on; `npm run quickstart` and `npm test` make sure of it. */
export const BASE_IMAGE = "molecule-local/base:bookworm";

/** One file of a template. */
export function templateFile(runtime: string, name: string): Promise<Buffer> {
  return readFile(join(TEMPLATES, runtime, name));
}

/** Builds a template with the engine's BuildKit and returns all it said; `tag` exists if it worked. */
export async function buildTemplate(
  socketPath: string,
  runtime: string,
  tag: string,
  labels: Readonly<Record<string, string>>,
): Promise<string> {
  const files: Record<string, Buffer> = {};
  for (const name of await readdir(join(TEMPLATES, runtime))) {
    files[name] = await templateFile(runtime, name);
  }
  const query = new URLSearchParams({ version: "2", t: tag, labels: JSON.stringify(labels) });
  const answer = await callEngine(socketPath, {
    method: "POST",
    path: `/build?${query.toString()}`,
    body: await tarOf(files),
    timeoutMs: 120_000,
  });
  return answer.body.toString("utf8");
}

export async function tarOf(files: Readonly<Record<string, Buffer>>): Promise<Buffer> {
  const archive = pack();
  for (const [name, content] of Object.entries(files)) archive.entry({ name }, content);
  archive.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of archive) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
