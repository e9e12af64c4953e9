import { basename } from "node:path";
import { invalidOption } from "./invalid-option.js";
import { readNamedFile } from "./text-file.js";

const MAX_CONFIG_FILE_BYTES = 4 * 1024 * 1024;

/**
 * `--config-file`: `path`, kept under its own name in `/configs`, or `name=path`. Which names are
 * allowed is decided where the workspace is planned.
 */
export async function readConfigFiles(
  values: readonly string[],
  cwd: string,
): Promise<Readonly<Record<string, Uint8Array>>> {
  const files = new Map<string, Uint8Array>();
  for (const value of values) {
    const equals = value.indexOf("=");
    const name = equals === -1 ? basename(value) : value.slice(0, equals);
    const path = value.slice(equals + 1);
    if (name === "" || path === "") {
      throw invalidOption("--config-file", value, "Give a path, or name=path.");
    }
    if (files.has(name)) {
      throw invalidOption("--config-file", value, `${name} was given twice: give it once.`);
    }
    files.set(
      name,
      await readNamedFile({
        option: "--config-file",
        path,
        cwd,
        maxBytes: MAX_CONFIG_FILE_BYTES,
      }),
    );
  }
  return Object.fromEntries(files);
}
