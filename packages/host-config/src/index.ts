export { volumeBind } from "./bind.js";
export { compareTiers, type GrantDifference } from "./compare-tiers.js";
export {
  assertRuntimeAvailable,
  fitToEngine,
  type EngineCapacity,
  type FittedHostConfig,
} from "./engine-fit.js";
export { HostConfigError, type HostConfigErrorCode } from "./errors.js";
export { explainTier, type TierExplanation } from "./explain-tier.js";
export type { HostConfig, PortBinding } from "./host-config.js";
export {
  mountsWorkspace,
  tierEnvironment,
  tierHostConfig,
  type TierHostConfigOptions,
  type WorkspaceBinds,
} from "./tier-host-config.js";
export {
  tierLimitsFromEnv,
  type TierLimit,
  type TierLimits,
  type TierLimitsResult,
} from "./tier-limits.js";
export {
  DEFAULT_TIER,
  isPrivilegedTier,
  normaliseTier,
  parseTier,
  TIER_NAMES,
  TIERS,
  type Tier,
} from "./tier.js";
export {
  validateWorkspaceAccess,
  workspaceMount,
  workspaceVolumeName,
  type WorkspaceAccess,
  type WorkspaceMount,
  type WorkspaceMountOptions,
} from "./workspace-mount.js";
export { validateWorkspacePath, type WorkspacePathOptions } from "./workspace-path.js";
