import { readdir } from "node:fs/promises";
import { join } from "node:path";

/** Preferred, so that the source recorded in an image is the same on every run. */
const PORT = 41_730;
const OWNER = "molecule-ai";
const NAME_PREFIX = "molecule-ai-workspace-template-";

/**
 * Serves every folder of examples/templates as a repository of a Gitea-compatible server, over real
 * git. The same files give the same commit on every machine.
 * @param {string} root
 */
export async function startTemplateServer(root) {
  const { readTestFiles, startGiteaServer } = await import("@molecule-ai/testkit");
  const server = await startGiteaServer({ port: PORT }).catch((error) => {
    if (error?.code !== "EADDRINUSE") throw error;
    return startGiteaServer();
  });
  try {
    const templates = join(root, "examples/templates");
    const runtimes = [];
    for (const entry of await readdir(templates, { withFileTypes: true })) {
      if (!entry.isDirectory()) continue;
      const files = await readTestFiles(join(templates, entry.name));
      await server.createRepository({ owner: OWNER, name: NAME_PREFIX + entry.name, files });
      runtimes.push(entry.name);
    }
    return {
      origin: server.origin,
      runtimes,
      repositoryPrefix: `${server.baseUrl}/${OWNER}/${NAME_PREFIX}`,
      close: () => server[Symbol.asyncDispose](),
    };
  } catch (error) {
    await server[Symbol.asyncDispose]();
    throw error;
  }
}
