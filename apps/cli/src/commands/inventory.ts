import { stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { Inventory, Severity } from "@molecule-ai/dockerfile";
import { openEngine, openLocalBuild, readInstallId } from "../compose.js";
import { CliError } from "../errors.js";
import { EXIT } from "../exit-codes.js";
import { parseBuildArguments } from "../options/build-arguments.js";
import type { InventoryFormat } from "../options/inventory-options.js";
import { readNamedFile } from "../options/text-file.js";
import type { CommandResult } from "../output/reporter.js";
import { requireLocal } from "../remote/require-server.js";
import type { CommandContext } from "../run-command.js";

export interface InventoryCommandOptions {
  readonly format: InventoryFormat;
  /** Findings of this severity and above make the exit code 1. */
  readonly findingsThreshold?: Severity | undefined;
  /** The Dockerfile inside the directory or template. */
  readonly file?: string | undefined;
  readonly target?: string | undefined;
  /** `NAME=value`, or `NAME` taken from the environment. */
  readonly buildArg: readonly string[];
  readonly ref?: string | undefined;
  readonly offline?: boolean | undefined;
}

/** Somewhat more than what is read of a Dockerfile, so that the package itself says what is wrong. */
const LARGEST_FILE_BYTES = 4 * 1024 * 1024;

interface Subject {
  readonly name: string;
  readonly path: string;
  readonly revision?: string | undefined;
}

/** `inventory`: what a Dockerfile puts into an image, and what is worth a change in it. */
export async function inventory(
  context: CommandContext,
  subject: string,
  options: InventoryCommandOptions,
): Promise<CommandResult> {
  const { extractInventory, formatCycloneDx, formatInventory, isAtLeast } =
    await import("@molecule-ai/dockerfile");
  const found = await findDockerfile(context, subject, options);
  const text = await readText(found.path, context.settings.cwd);
  const { target, format, findingsThreshold } = options;
  const buildArgs = parseBuildArguments(options.buildArg, context.settings.env);
  const extracted = extractInventory(text, { target, buildArgs });
  const document =
    format === "cyclonedx"
      ? await formatCycloneDx(extracted, { name: found.name, version: found.revision })
      : undefined;
  const isOver = extracted.findings.some(
    ({ severity }) => findingsThreshold !== undefined && isAtLeast(severity, findingsThreshold),
  );
  return {
    data: {
      source: found,
      inventory: extracted,
      ...(document === undefined ? {} : { cyclonedx: JSON.parse(document) as object }),
    },
    text: (style) =>
      document?.trimEnd() ??
      (format === "json"
        ? formatJson(extracted)
        : formatInventory(extracted, { heading: style.strong })),
    exitCode: isOver ? EXIT.failed : undefined,
  };
}

/** A file, the Dockerfile of a directory, or that of a runtime's template, in this order. */
async function findDockerfile(
  context: CommandContext,
  subject: string,
  { file = "Dockerfile", ref, offline }: InventoryCommandOptions,
): Promise<Subject> {
  const path = resolve(context.settings.cwd, subject);
  const stats = await stat(path).catch(() => undefined);
  if (stats?.isDirectory() === true) return { name: subject, path: join(path, file) };
  const { isRuntimeName } = await import("@molecule-ai/registry-mode");
  if (stats !== undefined || !isRuntimeName(subject)) return { name: subject, path };
  requireLocal(context, "inventory");
  await using engine = await openEngine(context);
  const installId = await readInstallId(engine, context.settings, context.signal);
  await using source = await openLocalBuild(context, { engine, installId });
  const { path: files, sha } = await source.checkout(subject, {
    ref,
    offline,
    signal: context.signal,
    onEvent: context.onEvent,
  });
  return { name: subject, path: join(files, file), revision: sha };
}

async function readText(path: string, cwd: string): Promise<string> {
  const bytes = await readNamedFile({
    option: "Dockerfile",
    path,
    cwd,
    maxBytes: LARGEST_FILE_BYTES,
  });
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new CliError("ERR_CLI_FILE_UNREADABLE", `${path} is not UTF-8 text`, {
      hint: "Name the Dockerfile itself, saved as UTF-8.",
      details: { path },
      cause,
    });
  }
}

function formatJson(extracted: Inventory): string {
  return JSON.stringify(extracted, undefined, 2);
}
