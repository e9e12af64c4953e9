import { parseByteSize } from "../options/byte-size.js";
import { parseDuration } from "../options/duration.js";
import { parseTier } from "../options/tier.js";
import { parseWholeNumber } from "../options/whole-number.js";
import { SHELLS } from "../completion/shells.js";
import { addInventoryCommand } from "./inventory-command.js";
import { JSON_OPTION, type Program, type RunCommand } from "./program-parts.js";

/** Images, tidying up, and the machine itself. */
export function addMachineCommands(program: Program, run: RunCommand): void {
  program.commandsGroup("Images:");

  program
    .command("build")
    .description("make the image of a runtime present, building or pulling it")
    .argument("<runtime>", "name of a runtime, for example langgraph")
    .option("--ref <ref>", "branch, tag or commit of the template")
    .option("--platform <platform>", "os/arch of the image, for example linux/arm64")
    .option("--offline", "use what this machine has and ask no server")
    .option(...JSON_OPTION)
    .action((runtime, options) =>
      run("build", options, async (context) =>
        (await import("../commands/build.js")).build(context, runtime, options),
      ),
    );

  program
    .command("images")
    .description("list the images built here")
    .option(...JSON_OPTION)
    .action((options) =>
      run("images", options, async (context) =>
        (await import("../commands/images.js")).images(context),
      ),
    );

  program
    .command("gc")
    .description("remove images and checkouts nobody uses")
    .option("--dry-run", "only say what would go")
    .option("--keep <count>", "images to keep for each runtime", (text) =>
      parseWholeNumber("--keep", text, 0),
    )
    .option("--max-age <duration>", "remove what is older", (text) =>
      parseDuration("--max-age", text),
    )
    .option("--max-size <size>", "remove the oldest until what is left fits", (text) =>
      parseByteSize("--max-size", text),
    )
    .option(...JSON_OPTION)
    .action((options) =>
      run("gc", options, async (context) =>
        (await import("../commands/collect.js")).collect(context, options),
      ),
    );

  addInventoryCommand(program, run);

  program.commandsGroup("This machine:");

  program
    .command("sweep")
    .description("remove leftovers of crashes")
    .option("--dry-run", "only say what would go")
    .option("--volumes", "also storage whose workspace is gone, such as rm --keep-volumes left")
    .option("--grace <duration>", "leave alone what is younger (default: 10m)", (text) =>
      parseDuration("--grace", text),
    )
    .option(...JSON_OPTION)
    .action((options) =>
      run("sweep", options, async (context) =>
        (await import("../commands/sweep.js")).sweep(context, options),
      ),
    );

  program
    .command("tiers")
    .description("say what each trust tier grants")
    .argument("[tier]", "only this one, in sentences", parseTier)
    .option(...JSON_OPTION)
    .action((tier, options) =>
      run("tiers", options, async (context) =>
        (await import("../commands/tiers.js")).tiers(context, tier),
      ),
    );

  program
    .command("doctor")
    .description("check engine, builder, disk, network, Gitea, clock and registry")
    .option(...JSON_OPTION)
    .action((options) =>
      run("doctor", options, async (context) =>
        (await import("../commands/doctor.js")).doctor(context),
      ),
    );

  program
    .command("completion")
    .description(`print a completion script: ${SHELLS.join(", ")}`)
    .argument("<shell>", SHELLS.join(", "))
    .action((shell) =>
      run("completion", {}, async () =>
        (await import("../commands/completion.js")).completion(program, shell),
      ),
    );

  program
    .command("__complete", { hidden: true })
    .description("print candidates for a completion script")
    .argument("<kind>")
    .action((kind) =>
      run("__complete", {}, async (context) =>
        (await import("../commands/complete.js")).complete(context, kind),
      ),
    );
}
