import { testConfig } from "../vitest.shared.ts";
import { defineConfig, mergeConfig } from "vitest/config";

export default mergeConfig(testConfig, defineConfig({ test: { include: ["test/**/*.test.mjs"] } }));
