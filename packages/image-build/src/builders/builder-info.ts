/** One rule of a builder's garbage collection, as buildx words it. */
export interface BuilderGcRule {
  /** True when the rule also takes internal and shared records. */
  readonly all: boolean;
  /** Filters joined by commas; empty for every record. */
  readonly scope: string;
  /** `48h0m0s` */
  readonly keepDuration?: string | undefined;
  /** `9.313GiB`; what BuildKit before 0.17 keeps. */
  readonly keepBytes?: string | undefined;
  readonly reserved?: string | undefined;
  readonly maxUsed?: string | undefined;
  readonly minFree?: string | undefined;
}

/** One daemon of a builder. */
export interface BuilderNode {
  readonly name: string;
  /** Address or name of a Docker context. */
  readonly endpoint: string;
  /** `running`, `inactive`, `stopped`, `error` …; empty when buildx does not say. */
  readonly status: string;
  readonly error?: string | undefined;
  /** Undefined before BuildKit 0.11, unless it is the one inside an engine. */
  readonly buildkitVersion?: string | undefined;
  /** As buildx prints them; `*` marks those that were set by hand. */
  readonly platforms: readonly string[];
  readonly driverOptions: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly flags?: string | undefined;
  readonly gcRules: readonly BuilderGcRule[];
}

/** A builder of buildx. */
export interface BuilderInfo {
  readonly name: string;
  /** `docker`, `docker-container`, `remote`, `kubernetes`; empty when buildx does not say. */
  readonly driver: string;
  readonly lastActivity?: string | undefined;
  readonly error?: string | undefined;
  readonly nodes: readonly BuilderNode[];
  /** False when driver, status or endpoint are missing: what was read is not to be relied upon. */
  readonly complete: boolean;
}

/** What was done so that a builder is there. */
export type BuilderAction = "reused" | "created" | "recreated";

/** A builder that answered. */
export interface EnsuredBuilder extends BuilderInfo {
  readonly action: BuilderAction;
  /** How long its start, or the answer of one that ran, took. */
  readonly bootstrapMs: number;
}

/** Whether all that decisions rest on was said. */
export function isComplete(driver: string, nodes: readonly BuilderNode[]): boolean {
  return (
    driver !== "" &&
    nodes.length > 0 &&
    nodes.every(({ status, endpoint }) => status !== "" && endpoint !== "")
  );
}
