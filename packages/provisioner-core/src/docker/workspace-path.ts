import { WorkspaceError } from "../errors.js";

/** The path, absolute and normalised. Throws `ERR_WORKSPACE_FILE_PATH_INVALID`. */
export function requireFilePath(path: string): string {
  const problem = describeProblem(path);
  if (problem !== undefined) {
    throw new WorkspaceError(
      "ERR_WORKSPACE_FILE_PATH_INVALID",
      `Path ${JSON.stringify(path.slice(0, 200))} is refused: ${problem}.`,
      { hint: "Give an absolute path inside the workspace, such as /configs/config.yaml." },
    );
  }
  const parts = path.split("/").filter((part) => part !== "" && part !== ".");
  return `/${parts.join("/")}`;
}

/** The directory of a normalised path. */
export function parentOf(path: string): string {
  const slash = path.lastIndexOf("/");
  return slash <= 0 ? "/" : path.slice(0, slash);
}

/** The last part of a normalised path. */
export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

function describeProblem(path: string): string | undefined {
  if (!path.startsWith("/")) return "it is not absolute";
  if (path.split("/").includes("..")) return "it has a .. part";
  // oxlint-disable-next-line no-control-regex
  if (/[\u0000-\u001f\u007f]/.test(path)) return "it has a control character";
  if (Buffer.byteLength(path) > 4095) return "it is longer than 4095 bytes";
  if (path.split("/").some((part) => Buffer.byteLength(part) > 255)) {
    return "a part is longer than 255 bytes";
  }
  return undefined;
}
