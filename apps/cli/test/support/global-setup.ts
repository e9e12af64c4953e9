import { chmod, cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "tsup";
import type { TestProject } from "vitest/node";

declare module "vitest" {
  interface ProvidedContext {
    /** The program in one folder with all it needs, made from the sources of every package. */
    readonly program: string;
  }
}

const HERE = join(import.meta.dirname, "../..");

// What CommonJS modules expect to find, and an ES module does not have.
const BANNER = [
  'import { createRequire } from "node:module";',
  "const require = createRequire(import.meta.url);",
  "const __dirname = import.meta.dirname;",
].join(" ");

/**
 * Bundles the program once for all test files: started from its sources it spends three times as
 * long on loading as on working, and the tests start it some two hundred times.
 */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const directory = await mkdtemp(join(tmpdir(), "cli-program-"));
  await build({
    config: false,
    entry: [join(HERE, "src/bin.ts")],
    outDir: join(directory, "bundle"),
    format: "esm",
    target: "node20",
    platform: "node",
    splitting: true,
    silent: true,
    banner: { js: BANNER },
    // What was compiled for the machine stays outside, and what a library can do without.
    noExternal: [/^(?!.*\/build\/.*\.node$|xmlbuilder2$)/],
    external: [/\/build\/.*\.node$/, "xmlbuilder2"],
    esbuildOptions(options) {
      options.conditions = ["@molecule-ai/source"];
      options.logLevel = "error";
    },
  });
  // `--version` reads the manifest one level up, as in the published package.
  await cp(join(HERE, "package.json"), join(directory, "package.json"));
  // One test runs it as another user.
  await chmod(directory, 0o755);
  project.provide("program", join(directory, "bundle/bin.js"));
  return () => rm(directory, { recursive: true, force: true });
}
