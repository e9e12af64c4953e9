import { parseInventoryFormat, parseSeverity } from "../options/inventory-options.js";
import { collect, JSON_OPTION, type Program, type RunCommand } from "./program-parts.js";

/** `inventory`: in the group of whatever was added last. */
export function addInventoryCommand(program: Program, run: RunCommand): void {
  program
    .command("inventory")
    .description("say what a Dockerfile puts into an image, and what is worth a change in it")
    .argument("<runtime|path>", "a Dockerfile, a directory with one, or a runtime")
    .option("-f, --file <path>", "the Dockerfile inside the directory or template")
    .option("--target <stage>", "the stage that is built (default: the last one)")
    .option("--build-arg <NAME[=value]>", "value of an ARG (repeatable)", collect, [])
    .option("--ref <ref>", "branch, tag or commit of the runtime's template")
    .option("--offline", "use the template's files that this machine has")
    .option("--format <format>", "table, json or cyclonedx", parseInventoryFormat, "table" as const)
    .option(
      "--findings-threshold <severity>",
      "exit with 1 for a finding of low, medium or high severity, or above",
      parseSeverity,
    )
    .option(...JSON_OPTION)
    .action((subject, options) =>
      run("inventory", options, async (context) =>
        (await import("../commands/inventory.js")).inventory(context, subject, options),
      ),
    );
}
