import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { startTemplateServer } from "../template-server.mjs";

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** @param {string} repositoryPrefix @param {string} runtime */
async function headOf(repositoryPrefix, runtime) {
  const { origin, pathname } = new URL(repositoryPrefix + runtime);
  const response = await fetch(`${origin}/api/v1/repos${pathname}/branches/main`);
  return /** @type {any} */ (await response.json()).commit.id;
}

it("serves every example template, at the same commit each time, also two at once", async () => {
  const first = await startTemplateServer(root);
  const second = await startTemplateServer(root);
  try {
    expect(first.runtimes.sort()).toEqual(["broken", "hello"]);
    expect(first.origin).not.toBe(second.origin);
    for (const runtime of first.runtimes) {
      const head = await headOf(first.repositoryPrefix, runtime);
      expect(head).toMatch(/^[0-9a-f]{40}$/);
      expect(await headOf(second.repositoryPrefix, runtime)).toBe(head);
    }
  } finally {
    await first.close();
    await second.close();
  }
});
