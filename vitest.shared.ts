import { defineConfig, type ViteUserConfig } from "vitest/config";

/** Tests run against the sources of every workspace package, so none needs a build. */
export const testConfig: ViteUserConfig = defineConfig({
  resolve: { conditions: ["@molecule-ai/source"] },
  ssr: { resolve: { conditions: ["@molecule-ai/source"] } },
  test: {
    include: ["src/**/*.test.ts", "test/**/*.test.ts"],
    testTimeout: 60_000,
    hookTimeout: 120_000,
    maxWorkers: 2,
    reporters: ["default", ["json", { outputFile: ".vitest-report.json" }]],
  },
});
