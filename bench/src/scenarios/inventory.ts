import { extractInventory } from "@molecule-ai/dockerfile";
import { DockerfileParser } from "dockerfile-ast";
import type { Scenario } from "../measure.js";

const LINES = 5000;

/** A Dockerfile of that many lines, of the kinds people write. */
function longDockerfile(): string {
  const steps = Array.from({ length: LINES / 5 }, (_, index) =>
    [
      `# step ${index}`,
      "RUN set -eux; apt-get update && apt-get install -y --no-install-recommends \\",
      `    git=1:2.39.${index} curl "lib\${V}" \\`,
      '    && curl -fsSL "https://example.com/tool-${V}.tar.gz" -o /tmp/t.tgz',
      `ENV TOOL_HOME=/opt/${index} TOOL_BIN="$TOOL_HOME/bin"`,
    ].join("\n"),
  );
  return `FROM debian:12\nARG V=1.2.3\n${steps.join("\n")}`;
}

export const inventory: Scenario = {
  id: "inventory",
  title: "inventory of a Dockerfile of 5,000 lines",
  against: "`dockerfile-ast` reading it, and nothing more",
  target: { ms: 100 },
  iterations: 30,
  prepare() {
    const text = longDockerfile();
    return Promise.resolve({
      ours() {
        const { packages } = extractInventory(text);
        if (packages.length === 0) throw new Error(`only ${packages.length} packages`);
        return Promise.resolve(undefined);
      },
      theirs() {
        const { length } = DockerfileParser.parse(text).getInstructions();
        if (length < (LINES / 5) * 2) throw new Error(`only ${length} instructions`);
        return Promise.resolve(undefined);
      },
      [Symbol.asyncDispose]: () => Promise.resolve(),
    });
  },
};
