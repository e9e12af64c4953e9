import { mergeConfig } from "vitest/config";
import { testConfig } from "../../vitest.shared.ts";

export default mergeConfig(testConfig, {
  test: { globalSetup: "test/support/dump-store.ts" },
});
