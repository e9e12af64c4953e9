import { hintOf, type Symptom, type ToolParser } from "./tool-parser.js";

const ERROR =
  /^\s*(?:ERROR|error): (.{0,20}(?:Could not (?:find a version|open requirements|install|build|fetch|parse)|No matching distribution|Failed building wheel|Failed to build|Cannot install|Cannot uninstall|ResolutionImpossible|Invalid requirement|Invalid wheel|Package .{1,200} requires a different Python|THESE PACKAGES DO NOT MATCH THE HASHES|HTTP error|Exception:|Can not (?:perform|execute)|externally-managed-environment|subprocess-exited-with-error|metadata-generation-failed|legacy-install-failure).*)$/;

const SYMPTOMS: readonly Symptom[] = [
  {
    pattern: /no matching distribution found|could not find a version that satisfies/i,
    hint: "pip finds no such version: check its name, its version and the Python of the base image.",
  },
  {
    pattern: /cannot install|resolutionimpossible/i,
    hint: "The requirements contradict each other: loosen the pinned versions.",
  },
  {
    pattern: /could not open requirements/i,
    hint: "The requirements file is not in the image: COPY it before the RUN, and check .dockerignore.",
  },
  {
    pattern: /externally-managed-environment/i,
    hint: "The distribution guards its own Python: install into a virtual environment.",
  },
  {
    pattern: /do not match the hashes/i,
    hint: "The download is not what the requirements file names: update the hashes if that is intended.",
  },
  {
    pattern: /requires a different python/i,
    hint: "The package needs another Python: change the base image or the package's version.",
  },
  {
    pattern:
      /failed building wheel|failed to build|subprocess-exited|metadata-generation|legacy-install/i,
    hint: "The package is built from source and that failed: install its compiler and headers first, or a version with a wheel for this platform.",
  },
];

/** pip's own words; what a package's build printed is read by the tools that printed it. */
export const parsePip: ToolParser = (lines, at) => {
  const message = ERROR.exec(lines[at] ?? "")?.[1];
  if (message === undefined) return undefined;
  return { entry: { tool: "pip", message, hint: hintOf(SYMPTOMS, message) }, taken: 1 };
};
