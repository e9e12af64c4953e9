import { parsePlatformUrl } from "../options/platform-url.js";
import { parseTier } from "../options/tier.js";
import { parseWorkspaceAccess } from "../options/workspace-access.js";
import { collect, JSON_OPTION, type Program } from "./program-parts.js";

/** A command that takes everything that describes a workspace: `up` and `plan`. */
export function specCommand(program: Program, name: string) {
  return program
    .command(name)
    .argument("<runtime>", "name of a runtime, for example langgraph")
    .option("--tier <tier>", "trust tier 1 to 4; `tiers` explains them", parseTier, 2)
    .option("--allow-privileged", "allow tiers 3 and 4, which control this machine")
    .option("--name <name>", "a name for people")
    .option("--id <id>", "workspace id (default: a new UUID)")
    .option("--ref <ref>", "branch, tag or commit of the template")
    .option("--image <reference>", "an image instead of the runtime's own")
    .option("--platform <platform>", "os/arch of the image, for example linux/arm64")
    .option("--offline", "use what this machine has and ask no server")
    .option("--template <directory>", "files for /configs instead of the template's own")
    .option("--config-file <[name=]path>", "a file for /configs (repeatable)", collect, [])
    .option(
      "--env <NAME[=value]>",
      "plain environment, NAME alone is taken from here (repeatable)",
      collect,
      [],
    )
    .option("--env-file <path>", "file of NAME=value lines (repeatable)", collect, [])
    .option(
      "--secret <NAME[=@path]>",
      "secret from the environment or a file (repeatable)",
      collect,
      [],
    )
    .option(
      "--secret-file <path>",
      "file of NAME=value lines, all secret (repeatable)",
      collect,
      [],
    )
    .option("--auth-token-file <path>", "file with the token for /configs/.auth_token")
    .option("--workspace-path <directory>", "directory of this machine to mount as /workspace")
    .option("--workspace-access <access>", "none, read_only or read_write", parseWorkspaceAccess)
    .option(
      "--platform-url <url>",
      "where the agent reports to (default: PLATFORM_URL)",
      parsePlatformUrl,
    )
    .option(...JSON_OPTION);
}

/** What {@link specCommand} parses. */
export type SpecOptions = ReturnType<ReturnType<typeof specCommand>["opts"]>;
