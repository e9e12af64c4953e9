#!/usr/bin/env node
import { isProvisionerError } from "@molecule-ai/core";
import { runAdminTokenCommand } from "./admin-token-command.js";
import { readServerConfig } from "./config.js";
import { ServerError } from "./errors.js";
import { serve } from "./serve.js";

const LAST_RESORT_MS = 1000;

const [command, ...args] = process.argv.slice(2);
try {
  const config = readServerConfig();
  if (command === undefined) {
    const server = await serve(config);
    const stop = (): void => {
      // Whatever cannot be closed must not keep the process: the store is consistent at any moment.
      setTimeout(() => process.exit(1), config.shutdownGraceMs + LAST_RESORT_MS).unref();
      void server.stop();
    };
    process.on("SIGTERM", stop);
    process.on("SIGINT", stop);
  } else if (command === "admin-token") {
    process.stdout.write(`${await runAdminTokenCommand(args, config)}\n`);
  } else {
    throw new ServerError("ERR_SERVER_CONFIG", "There is no such command.", {
      hint: "molecule-server starts the server; molecule-server admin-token --rotate makes a new token.",
    });
  }
} catch (error) {
  if (!isProvisionerError(error)) throw error;
  process.stderr.write(`${error.code}: ${error.message}\n${error.hint ?? ""}\n`);
  process.exitCode = 1;
}
