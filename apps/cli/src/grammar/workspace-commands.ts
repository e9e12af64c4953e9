import { parseDuration } from "../options/duration.js";
import { parsePointInTime } from "../options/point-in-time.js";
import { parseWholeNumber } from "../options/whole-number.js";
import { collect, JSON_OPTION, type Program, type RunCommand } from "./program-parts.js";
import { specCommand } from "./spec-command.js";

const WORKSPACE = ["<workspace>", "id, at least 4 characters of it, or name"] as const;

const parseTimeout = (text: string): number => parseDuration("--timeout", text);
const parseGrace = (text: string): number => Math.ceil(parseDuration("--grace", text) / 1000);

/** `up`, `plan` and the life of what `up` started. */
export function addWorkspaceCommands(program: Program, run: RunCommand): void {
  program.commandsGroup("Workspaces:");

  specCommand(program, "up")
    .description("start a workspace and wait until its agent answers")
    .option("--no-wait", "return once the process runs")
    .option(
      "--timeout <duration>",
      "give up when the agent shows no sign of life for this long",
      parseTimeout,
    )
    .action((runtime, options) =>
      run("up", options, async (context) =>
        (await import("../commands/up.js")).up(context, runtime, options),
      ),
    );

  specCommand(program, "plan")
    .description("show what up would do, touching nothing")
    .action((runtime, options) =>
      run("plan", options, async (context) =>
        (await import("../commands/plan.js")).plan(context, runtime, options),
      ),
    );

  program
    .command("ls")
    .description("list the workspaces of this installation")
    .option("-q, --quiet", "print ids only")
    .option(...JSON_OPTION)
    .action((options) =>
      run("ls", options, async (context) =>
        (await import("../commands/list.js")).list(context, options),
      ),
    );

  program
    .command("inspect")
    .description("show everything known of a workspace")
    .argument(...WORKSPACE)
    .option(...JSON_OPTION)
    .action((workspace, options) =>
      run("inspect", options, async (context) =>
        (await import("../commands/inspect.js")).inspect(context, workspace),
      ),
    );

  program
    .command("stop")
    .description("stop workspaces; SIGTERM first, storage stays")
    .argument("<workspace...>", WORKSPACE[1])
    .option("--grace <duration>", "time between SIGTERM and SIGKILL", parseGrace)
    .option(...JSON_OPTION)
    .action((workspaces, options) =>
      run("stop", options, async (context) =>
        (await import("../commands/stop.js")).stop(context, workspaces, options),
      ),
    );

  program
    .command("restart")
    .description("start a workspace anew beside the old one and swap")
    .argument(...WORKSPACE)
    .option("--upgrade", "use the newest image of the runtime instead of the same one")
    .option("--no-wait", "return once the process runs")
    .option(
      "--timeout <duration>",
      "give up when the agent shows no sign of life for this long",
      parseTimeout,
    )
    .option(...JSON_OPTION)
    .action((workspace, options) =>
      run("restart", options, async (context) =>
        (await import("../commands/restart.js")).restart(context, workspace, options),
      ),
    );

  program
    .command("rm")
    .description("stop and remove workspaces with their storage")
    .argument("<workspace...>", WORKSPACE[1])
    .option("--keep-volumes", "leave the storage; up with the same --id finds it again")
    .option("--grace <duration>", "time between SIGTERM and SIGKILL", parseGrace)
    .option(...JSON_OPTION)
    .action((workspaces, options) =>
      run("rm", options, async (context) =>
        (await import("../commands/remove.js")).remove(context, workspaces, options),
      ),
    );
}

/** What goes on inside one workspace: `logs`, `exec`, `sh`, `cp`. */
export function addInsideCommands(program: Program, run: RunCommand): void {
  program.commandsGroup("Inside a workspace:");

  program
    .command("logs")
    .description("print the output of a workspace")
    .argument(...WORKSPACE)
    .option("-f, --follow", "go on until Ctrl-C or until the workspace is gone")
    .option("-n, --tail <lines>", "the last lines only", (text) =>
      parseWholeNumber("--tail", text, 0),
    )
    .option("--since <when>", "10m, 2026-11-21T10:00:00Z or a Unix time", (text) =>
      parsePointInTime("--since", text, Date.now()),
    )
    .option("-t, --timestamps", "begin every line with its time")
    .option(...JSON_OPTION)
    .action((workspace, options) =>
      run("logs", options, async (context) =>
        (await import("../commands/logs.js")).logs(context, workspace, options),
      ),
    );

  program
    .command("exec")
    .description("run a program inside a workspace; exits with its exit code")
    .argument(...WORKSPACE)
    .argument("<command...>", "program and arguments; -- before it if it begins with a dash")
    .option("-i, --interactive", "pass stdin on")
    .option("-t, --tty", "give it a terminal (implies -i)")
    .option("-u, --user <user>", "run as this user")
    .option("-w, --workdir <directory>", "run in this directory")
    .option(
      "-e, --env <NAME[=value]>",
      "environment, NAME alone is taken from here (repeatable)",
      collect,
      [],
    )
    .option(...JSON_OPTION)
    .passThroughOptions()
    .action((workspace, command, options) =>
      run("exec", options, async (context) =>
        (await import("../commands/exec.js")).exec(context, workspace, command, options),
      ),
    );

  program
    .command("sh")
    .description("open a shell inside a workspace")
    .argument(...WORKSPACE)
    .option("-u, --user <user>", "run as this user")
    .option("--shell <path>", "the shell", "/bin/sh")
    .action((workspace, options) =>
      run("sh", {}, async (context) =>
        (await import("../commands/shell.js")).shell(context, workspace, options),
      ),
    );

  program
    .command("cp")
    .description("copy files into or out of a workspace, running or not")
    .argument("<source>", "path, or <workspace>:/path")
    .argument("<target>", "path, or <workspace>:/path")
    .option(...JSON_OPTION)
    .action((source, target, options) =>
      run("cp", options, async (context) =>
        (await import("../commands/copy.js")).copy(context, source, target),
      ),
    );
}
