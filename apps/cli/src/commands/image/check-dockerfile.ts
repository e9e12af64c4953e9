import type { BuildBackend, BuildOptions, CheckReport } from "@molecule-ai/image-build";
import type { BuildTools } from "../../compose-images.js";
import { EXIT } from "../../exit-codes.js";
import type { CommandResult } from "../../output/reporter.js";
import type { Style } from "../../output/style.js";
import type { CommandContext } from "../../run-command.js";
import { requireBuildx } from "./require-buildx.js";

/** `image build --check`: findings are exit code 1, as a build that fails is. */
export async function checkDockerfile(
  context: CommandContext,
  parts: {
    readonly tools: BuildTools;
    readonly backend: BuildBackend;
    readonly request: BuildOptions;
  },
): Promise<CommandResult> {
  const { checkBuild } = await import("@molecule-ai/image-build");
  const { tools, backend, request } = parts;
  const found = await checkBuild({
    buildx: requireBuildx(tools.buildx),
    backend,
    request,
    redactor: context.redactor,
  });
  const isClean = found.findings.length === 0 && found.error === undefined;
  return {
    data: { check: found },
    text: (style) => format(found, request.dockerfile ?? "Dockerfile", style),
    exitCode: isClean ? undefined : EXIT.failed,
  };
}

function format({ findings, error }: CheckReport, file: string, style: Style): string {
  const at = (line: number | undefined): string => (line === undefined ? file : `${file}:${line}`);
  const lines = [
    ...(error === undefined ? [] : [`${style.bad("error")}  ${at(error.line)}  ${error.message}`]),
    ...findings.map(
      ({ rule, line, detail, description }) =>
        `${style.warn(rule)}  ${at(line)}  ${detail === "" ? description : detail}`,
    ),
  ];
  return lines.length === 0 ? "Nothing to remark." : lines.join("\n");
}
