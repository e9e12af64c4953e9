import { defineConfig, type Options } from "tsup";

type Config = ReturnType<typeof defineConfig>;

const shared: Options = {
  format: "esm",
  target: "node20",
  platform: "node",
  clean: true,
  // tsup's declaration bundler still sets baseUrl, which TypeScript 6 reports as deprecated.
};

/** Build of a package that other code imports: one entry and its types. */
export const libraryConfig: Config = defineConfig({
  ...shared,
  entry: ["src/index.ts"],
  dts: {
    compilerOptions: {
      ignoreDeprecations: "6.0",
      customConditions: [],
      allowImportingTsExtensions: false,
    },
  },
});

/** Build of a program: code-split so that a cheap command loads only what it needs. */
export const applicationConfig: Config = defineConfig({
  ...shared,
  entry: ["src/bin.ts"],
  splitting: true,
});
