import { JSON_OPTION, type Program, type RunCommand } from "./program-parts.js";

/** Getting to know a server, and forgetting it. */
export function addServerCommands(program: Program, run: RunCommand): void {
  program.commandsGroup("Server:");

  program
    .command("login")
    .description("store the token for a server, read from stdin or asked for")
    .option(...JSON_OPTION)
    .action((options) =>
      run("login", options, async (context) =>
        (await import("../commands/login.js")).login(context),
      ),
    );

  program
    .command("logout")
    .description("forget the stored token of a server")
    .option(...JSON_OPTION)
    .action((options) =>
      run("logout", options, async (context) =>
        (await import("../commands/logout.js")).logout(context),
      ),
    );
}
