import { isProvisionerError } from "@molecule-ai/core";
import type { WorkspaceFiles } from "@molecule-ai/provisioner-core";
import { lstat, readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { openMachine } from "../compose.js";
import { CliError } from "../errors.js";
import { parseCopy, type CopyRequest } from "../options/copy-operand.js";
import { formatBytes } from "../output/quantity.js";
import type { CommandResult } from "../output/reporter.js";
import { requireLocal } from "../remote/require-server.js";
import type { CommandContext } from "../run-command.js";

/** A single file under a new name is held in memory; into a directory it is streamed. */
const LARGEST_RENAMED_BYTES = 256 * 1024 * 1024;

/** `cp` */
export async function copy(
  context: CommandContext,
  source: string,
  target: string,
): Promise<CommandResult> {
  requireLocal(context, "cp");
  const request = parseCopy(source, target);
  const host = resolve(context.settings.cwd, request.host);
  const { signal } = context;
  if (request.direction === "in") await requireHostPath(host);
  await using machine = await openMachine(context);
  const { id, name } = await machine.find(request.workspace, signal);
  const { files } = machine.backend;
  if (request.direction === "in") await copyIn(files, id, host, request, signal);
  else await files.copyOut(id, request.inside, host, { signal });
  const inside = `${name}:${request.inside}`;
  const [from, to] = request.direction === "in" ? [host, inside] : [inside, host];
  return { data: { id, from, to }, text: () => `copied ${from} to ${to}` };
}

/** Into a directory under its own name, or a single file under the name given. */
async function copyIn(
  files: WorkspaceFiles,
  id: string,
  host: string,
  request: CopyRequest,
  signal: AbortSignal,
): Promise<void> {
  const { inside } = request;
  const target = await files.stat(id, inside, { signal });
  if (target?.kind === "directory" || target?.kind === "symlink" || inside.endsWith("/")) {
    try {
      await files.copyIn(id, host, inside, { signal });
      return;
    } catch (error) {
      // A link may lead to a file, which is then what is replaced.
      const toFile = isProvisionerError(error, "ERR_WORKSPACE_FILE_KIND");
      if (!toFile || target?.kind !== "symlink") throw error;
    }
  }
  const { size, mode } = await requireRegularFile(host, inside);
  if (size > LARGEST_RENAMED_BYTES) {
    throw new CliError(
      "ERR_CLI_FILE_TOO_LARGE",
      `${host} has ${formatBytes(size)}: too much to be copied under another name`,
      { hint: `Copy it into a directory: cp ${host} ${request.workspace}:/directory/` },
    );
  }
  await files.write(id, inside, await readFile(host, { signal }), { mode: mode & 0o777, signal });
}

async function requireHostPath(path: string): Promise<void> {
  try {
    await lstat(path);
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code ?? "unknown";
    throw new CliError("ERR_CLI_PATH_NOT_FOUND", `${path} cannot be read (${reason})`, {
      hint: "Give a file or directory of this machine.",
      details: { path, reason },
      cause,
    });
  }
}

async function requireRegularFile(
  host: string,
  inside: string,
): Promise<{ readonly size: number; readonly mode: number }> {
  const { size, mode, isFile } = await lstat(host).then((stats) => ({
    size: stats.size,
    mode: stats.mode,
    isFile: stats.isFile(),
  }));
  if (isFile) return { size, mode };
  throw new CliError("ERR_CLI_PATH_NOT_FOUND", `There is no directory ${inside} in the workspace`, {
    hint: "Copy the directory into one that exists.",
    details: { path: inside },
  });
}
