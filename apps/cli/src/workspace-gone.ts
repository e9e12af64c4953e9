import { CliError } from "./errors.js";

/** A workspace that was listed a moment ago and is gone now. */
export function workspaceGone(query: string): CliError {
  return new CliError("ERR_CLI_WORKSPACE_NOT_FOUND", `Workspace "${query}" is gone`, {
    hint: "Somebody removed it just now; `ls` shows what there is.",
    details: { query },
  });
}
