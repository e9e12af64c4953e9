import { WorkspaceError } from "./errors.js";

/** Token file of the runtime contract, below `/configs`. */
export const AUTH_TOKEN_NAME = ".auth_token";

const MOST_FILES = 2000;
const MOST_BYTES = 32 * 1024 * 1024;

/**
 * Refuses config files that would land outside `/configs`, replace the token, or be too much:
 * `ERR_WORKSPACE_CONFIG_NAME_INVALID`, `ERR_WORKSPACE_CONFIG_TOO_LARGE`.
 */
export function validateConfigFiles(files: Readonly<Record<string, Uint8Array>>): void {
  const names = Object.keys(files);
  let bytes = 0;
  for (const name of names) {
    const problem = describeBadName(name);
    if (problem !== undefined) throw invalidName(name, problem);
    bytes += files[name]?.byteLength ?? 0;
  }
  checkFileBelowFile(names);
  if (names.length > MOST_FILES || bytes > MOST_BYTES) {
    throw new WorkspaceError(
      "ERR_WORKSPACE_CONFIG_TOO_LARGE",
      `The config files are ${names.length} files of ${bytes} bytes; ${MOST_FILES} files and ${MOST_BYTES} bytes are allowed.`,
      {
        hint: "Put large data into the workspace directory instead of /configs.",
        details: { files: names.length, bytes },
      },
    );
  }
}

/** What is wrong with a name relative to `/configs`, or undefined. */
export function describeBadName(name: string): string | undefined {
  if (name === "") return "it is empty";
  if (name.startsWith("/")) return "it is absolute";
  // oxlint-disable-next-line no-control-regex
  if (/[\u0000-\u001f\u007f]/.test(name)) return "it has a control character";
  if (name.includes("\\")) return "it has a backslash";
  if (Buffer.byteLength(name) > 1024) return "it is longer than 1024 bytes";
  const parts = name.split("/");
  if (parts.includes("..")) return "it has a .. part";
  if (parts.includes("") || parts.includes(".")) return "it has an empty or . part";
  if (parts.some((part) => Buffer.byteLength(part) > 255)) return "a part is longer than 255 bytes";
  if (name === AUTH_TOKEN_NAME) return "the token is given by itself, never as a config file";
  return undefined;
}

function checkFileBelowFile(names: readonly string[]): void {
  const all = new Set(names);
  for (const name of names) {
    const parts = name.split("/");
    for (let depth = 1; depth < parts.length; depth += 1) {
      const parent = parts.slice(0, depth).join("/");
      if (all.has(parent) || parent === AUTH_TOKEN_NAME) {
        throw invalidName(name, `${parent} is a file, not a directory`);
      }
    }
  }
}

function invalidName(name: string, problem: string): WorkspaceError {
  return new WorkspaceError(
    "ERR_WORKSPACE_CONFIG_NAME_INVALID",
    `Config file name ${JSON.stringify(name.slice(0, 200))} is refused: ${problem}.`,
    {
      hint: "Use a relative path below /configs, such as prompts/system.md.",
      details: { name: name.slice(0, 200) },
    },
  );
}
