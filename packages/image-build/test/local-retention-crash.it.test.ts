import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import { listLocalCaches } from "../src/cache/list-local-caches.js";
import { enforceLocalRetention } from "../src/cache/local-retention.js";
import { exportLocalCache } from "./fixtures/local-cache-layout.js";

const DAY = 86_400_000;
const ENTRIES = 200;
const signal = new AbortController().signal;
const script = fileURLToPath(new URL("fixtures/run-retention.ts", import.meta.url));

let root: string;
let directory: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "molecule-crash-"));
  directory = join(root, "e3a12384ea7e3d36");
});
afterEach(async () => {
  await rm(root, { recursive: true, force: true });
});

/** Kills a process that cleans, `afterMs` after it began; true when it had not come to its end. */
async function killAfter(afterMs: number): Promise<boolean> {
  const child = spawn(
    process.execPath,
    [
      "--conditions=@molecule-ai/source",
      "--import",
      import.meta.resolve("tsx"),
      script,
      directory,
      String(100.5 * DAY),
    ],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
  await once(child.stdout, "data");
  await sleep(afterMs);
  child.kill("SIGKILL");
  if (child.exitCode === null && child.signalCode === null) await once(child, "close");
  return !output.includes("done");
}

test("whenever a process dies that cleans, every entry of the index has all it needs, and the next one ends the work", async () => {
  for (let day = 1; day <= ENTRIES; day++) {
    await exportLocalCache(directory, {
      name: `n${day}`,
      at: new Date(Date.now() - day * DAY),
      layers: [Buffer.from("shared"), Buffer.from(`layer ${day}`)],
      config: Buffer.from(`{"n":${day}}`),
    });
  }
  let killed = 0;
  for (const afterMs of [0, 20, 40, 60]) {
    if (await killAfter(afterMs)) killed++;
    const [cache] = await listLocalCaches(root, { signal });
    expect([ENTRIES, 100]).toContain(cache?.entries.length);
    expect(cache?.entries.filter(({ damage }) => damage !== undefined)).toEqual([]);
    // Its lock counts for ten seconds; nobody waits for that here.
    const long = new Date(Date.now() - 60_000);
    await utimes(`${directory}.lock`, long, long).catch(() => {});
  }
  expect(killed).toBeGreaterThan(0);
  await writeFile(join(directory, ".index.json-left"), "{");
  const result = await enforceLocalRetention({
    directory,
    maxAgeMs: 100.5 * DAY,
    maxBytes: 0,
    graceMs: 0,
    signal,
  });
  expect(result.reason).toBeUndefined();
  const [cache] = await listLocalCaches(root, { signal });
  expect(cache).toMatchObject({ unreferencedBytes: 0 });
  expect(cache?.entries).toHaveLength(100);
  expect(await readdir(root)).toEqual(["e3a12384ea7e3d36"]);
  expect((await readdir(directory)).sort()).toEqual(["blobs", "index.json", "ingest"]);
});
