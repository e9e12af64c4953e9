import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import type { DockerEngine } from "@molecule-ai/docker-engine";
import type { ImageBuilder } from "@molecule-ai/image-build";
import type { RebuildReport, TrustLevel } from "@molecule-ai/image-trust";
import { openEngine, openLocalBuild, readInstallId } from "../compose.js";
import { EXIT } from "../exit-codes.js";
import type { CommandResult } from "../output/reporter.js";
import type { Style } from "../output/style.js";
import { formatTable } from "../output/table.js";
import { requireLocal } from "../remote/require-server.js";
import type { CommandContext } from "../run-command.js";

export interface RebuildCommandOptions {
  readonly atLeast: TrustLevel;
  readonly ref?: string | undefined;
  readonly platform?: string | undefined;
  readonly file?: string | undefined;
  /** False to look at the images as they come, times and all. */
  readonly rewriteTimestamps: boolean;
  /** Backend of the second build. */
  readonly secondBackend?: string | undefined;
}

/** `rebuild`: the exit code is the verdict. */
export async function rebuild(
  context: CommandContext,
  subject: string,
  options: RebuildCommandOptions,
): Promise<CommandResult> {
  requireLocal(context, "rebuild");
  const { describeTrustLevel, reaches, rebuildAndCompare } =
    await import("@molecule-ai/image-trust");
  await using engine = await openEngine(context);
  const source = await sourceOf(context, engine, subject, options);
  const report = await rebuildAndCompare({
    build: {
      context: { kind: "directory", path: source.path },
      dockerfile: options.file,
      platform: options.platform,
      // Of a directory nothing is known but that it is older than now.
      sourceDateEpoch: source.epoch ?? Math.floor(context.clock.now() / 1000),
      rewriteTimestamps: options.rewriteTimestamps,
    },
    first: { engine, builder: await openBuilder(context, engine) },
    second:
      options.secondBackend === undefined
        ? undefined
        : { engine, builder: await openBuilder(context, engine, options.secondBackend) },
    signal: context.signal,
    onEvent: (event) => {
      if (event.type === "rebuild.build") context.onEvent(event.event);
    },
  });
  const isReached = reaches(report.level, options.atLeast);
  return {
    data: { ...report, wanted: options.atLeast },
    text: (style) => formatReport(report, describeTrustLevel(report.level), style),
    exitCode: isReached ? undefined : EXIT.failed,
  };
}

/** A directory as it lies there, or the files of a runtime's template at one commit. */
async function sourceOf(
  context: CommandContext,
  engine: DockerEngine,
  subject: string,
  options: RebuildCommandOptions,
): Promise<{ readonly path: string; readonly epoch: number | undefined }> {
  const path = resolve(context.settings.cwd, subject);
  const isDirectory = await stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
  if (isDirectory) return { path, epoch: undefined };
  const installId = await readInstallId(engine, context.settings, context.signal);
  await using source = await openLocalBuild(
    context,
    { engine, installId },
    { platform: options.platform },
  );
  const { path: files, committedAt } = await source.checkout(subject, {
    ref: options.ref,
    signal: context.signal,
    onEvent: context.onEvent,
  });
  return {
    path: files,
    epoch: committedAt === undefined ? undefined : Math.floor(committedAt / 1000),
  };
}

async function openBuilder(
  { settings, clock, redactor }: CommandContext,
  engine: DockerEngine,
  backend?: string,
): Promise<ImageBuilder> {
  const { buildSettingsFromEnv, openImageBuilder } = await import("@molecule-ai/image-build");
  const { env, homeDirectory } = settings;
  const chosen = backend === undefined ? env : { ...env, MOLECULE_BUILD_BACKEND: backend };
  return openImageBuilder({
    engine,
    settings: buildSettingsFromEnv(chosen, { homeDirectory }),
    repositoryId: "rebuild",
    clock,
    redactor,
  });
}

const MOST_FILES_SHOWN = 20;

function formatReport(report: RebuildReport, verdict: string, style: Style): string {
  const { checks, comparison } = report;
  const parts = [
    style.strong(verdict),
    formatTable(
      checks,
      [
        { title: "CHECK", cell: ({ name }) => name },
        { title: "STATUS", cell: ({ status }) => status },
        { title: "DETAIL", cell: ({ detail }) => detail },
      ],
      style.strong,
    ),
  ];
  const shown = comparison.files.slice(0, MOST_FILES_SHOWN);
  if (shown.length > 0) {
    parts.push(
      formatTable(
        shown,
        [
          { title: "LAYER", cell: ({ layer }) => String(layer), align: "right" },
          { title: "FILE", cell: ({ path }) => path },
          { title: "DIFFERS IN", cell: ({ detail }) => detail },
        ],
        style.strong,
      ),
    );
  }
  const more = comparison.files.length - shown.length;
  if (more > 0)
    parts.push(`and ${more} more files; --json lists ${comparison.isCut ? "a thousand" : "all"}`);
  return parts.join("\n\n");
}
