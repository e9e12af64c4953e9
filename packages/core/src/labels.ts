/**
 * Labels on everything this project creates. `managed` is the one the existing Go provisioner sets
 * and looks for; the others are ours.
 */
export const LABELS = {
  /** `true` on every container, volume and network; compatible with the Go provisioner. */
  managed: "molecule.platform.managed",
  /** Install id. Nothing without ours is ever removed. */
  install: "molecule.platform.install",
  /** Full workspace id; names carry only its first twelve characters. */
  workspace: "molecule.platform.workspace",
  /** What a volume is for: configs, workspace, sessions, secrets, state. */
  role: "molecule.platform.role",
  /** The name people gave the workspace. */
  name: "molecule.platform.name",
  runtime: "molecule.platform.runtime",
  /** Tier really applied, 1 to 4. */
  tier: "molecule.platform.tier",
  /** Unix milliseconds; the grace period of a sweep is counted from it. */
  createdAt: "molecule.platform.created-at",
  /** Which attempt of which process created it: `host/pid/start/random`. Tells our own work from a rival's. */
  attempt: "molecule.platform.attempt",
  /** Port the agent listens on inside the workspace, when it is not the default. */
  agentPort: "molecule.platform.agent-port",
  /** Branch, tag or commit of the template that was asked for; an upgrade follows it again. */
  ref: "molecule.platform.ref",
  /** Image that was asked for in place of the runtime's own; an upgrade looks for it again. */
  image: "molecule.platform.image",
  /** On images: the template repository, without credentials. */
  source: "org.opencontainers.image.source",
  /** On images: the full commit. */
  revision: "org.opencontainers.image.revision",
  /** On images: commit time, RFC 3339. */
  created: "org.opencontainers.image.created",
  /** On images: the git tree the context was made from. */
  tree: "molecule.image.tree",
  /** On images: platform asked for, or `native`. */
  platform: "molecule.image.platform",
  /**
   * On images: install id of who built it. Not {@link LABELS.install}, because containers inherit
   * the labels of their image, and one that somebody starts by hand is not ours to remove.
   */
  builtBy: "molecule.image.install",
  /** On images: digest of the builder settings that shape the result. */
  settings: "molecule.image.settings",
} as const;
