import { defineConfig, type ViteUserConfig } from "vitest/config";

/** Tests run against the sources of every workspace package, so none needs a build. */
export const testConfig: ViteUserConfig = defineConfig({
  resolve: { conditions: ["@molecule-ai/source"] },
  ssr: { resolve: { conditions: ["@molecule-ai/source"] } },
  test: {
    include: ["src/**/*.test.ts", "test/**/*.test.ts"],
    // Wide: on a busy machine everything takes many times as long, and nothing else is wrong.
    testTimeout: 120_000,
    hookTimeout: 180_000,
    expect: { poll: { timeout: 30_000 } },
    maxWorkers: 2,
    reporters: ["default", ["json", { outputFile: ".vitest-report.json" }]],
  },
});
