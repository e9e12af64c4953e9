export { DockerfileError, type DockerfileErrorCode } from "./errors.js";
export { extractInventory, type InventoryOptions } from "./extract-inventory.js";
export { FINDING_RULES, isAtLeast, type FindingRule } from "./findings/rules.js";
export type * from "./inventory.js";
export { formatCycloneDx, type CycloneDxOptions } from "./output/cyclonedx.js";
export { formatInventory, type FormatInventoryOptions } from "./output/format-inventory.js";
export {
  bodyOf,
  type Dockerfile,
  type DockerfileInstruction,
  type DockerfileProblem,
  type Heredoc,
  type InstructionFlag,
} from "./reading/dockerfile.js";
export { readDockerfile } from "./reading/read-dockerfile.js";
export type { SourceText } from "./reading/source-text.js";
