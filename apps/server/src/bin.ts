#!/usr/bin/env node
import { isProvisionerError } from "@molecule-ai/core";
import { readServerConfig } from "./config.js";
import { serve } from "./serve.js";

try {
  const server = await serve(readServerConfig());
  const stop = (): void => {
    void server.stop();
  };
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
} catch (error) {
  if (!isProvisionerError(error)) throw error;
  process.stderr.write(`${error.code}: ${error.message}\n${error.hint ?? ""}\n`);
  process.exitCode = 1;
}
