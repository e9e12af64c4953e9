import { execFile } from "node:child_process";
import { access } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Scenario, Side } from "../measure.js";

const run = promisify(execFile);
const BIN = join(import.meta.dirname, "../../../apps/cli/dist/bin.js");

export const version: Scenario = {
  id: "cli-version",
  title: "`--version`",
  against: "`node -e 0`",
  target: 1.8,
  iterations: 40,
  unavailable: () =>
    access(BIN).then(
      () => undefined,
      () => "apps/cli is not built: run pnpm build",
    ),
  prepare: () =>
    Promise.resolve({
      ours: node(BIN, "--version"),
      theirs: node("-e", "0"),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    }),
};

function node(...args: string[]): Side {
  return async () => {
    await run(process.execPath, args);
    return undefined;
  };
}
