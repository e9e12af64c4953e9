import { WorkspaceError } from "./errors.js";
import type { WorkspaceDetails } from "./workspace-backend.js";

/** Why a process that should run does not, as an error with its exit code and last words. */
export function exitError(
  workspace: Pick<WorkspaceDetails, "id" | "exitCode" | "restartCount" | "oomKilled">,
  logTail: readonly string[],
): WorkspaceError {
  const { id, exitCode, restartCount, oomKilled } = workspace;
  const loops = restartCount >= 2;
  const code = exitCode === undefined ? "" : ` with exit code ${exitCode}`;
  const what = oomKilled ? "was ended for want of memory" : `stopped${code}`;
  const last = logTail.length === 0 ? "It wrote nothing." : `Its last line: ${logTail.at(-1)}`;
  return new WorkspaceError(
    loops ? "ERR_WORKSPACE_CRASH_LOOP" : "ERR_WORKSPACE_EXITED",
    loops
      ? `The process of workspace ${id} ${what} again and again (${restartCount} restarts). ${last}`
      : `The process of workspace ${id} ${what} while it was starting. ${last}`,
    {
      hint: oomKilled
        ? "Give the tier more memory (TIERn_MEMORY_MB) or the agent less to do."
        : hintFor(exitCode),
      details: {
        id,
        exitCode: exitCode ?? null,
        restartCount,
        oomKilled,
        logTail: [...logTail],
      },
    },
  );
}

function hintFor(exitCode: number | undefined): string {
  switch (exitCode) {
    case 126:
      return "Exit code 126: the entrypoint is not executable, or made for another platform.";
    case 127:
      return "Exit code 127: the entrypoint was not found in the image.";
    case 137:
      return "Exit code 137: it was killed; look at the memory limit of the tier.";
    default:
      return "Read its log lines; a missing variable or a wrong config.yaml is the usual cause.";
  }
}
