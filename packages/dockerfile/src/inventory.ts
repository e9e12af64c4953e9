import type { Ships } from "./stages/reach.js";

/** Where a fact of the inventory stands, and what becomes of it. */
export interface Place {
  /** From 1. */
  readonly line: number;
  /** Name of the stage; empty when it has none. */
  readonly stage: string;
  /** From 0; absent for what belongs to no stage. */
  readonly stageIndex?: number | undefined;
  /** Whether that stage is the image that is built. */
  readonly final: boolean;
  /** `partly`: only what `COPY --from` takes out of that stage is in the image. */
  readonly ships: Ships;
}

/** Why something is pinned, or why not. */
export type PinReason =
  /** Pinned: by the digest of an image, or the commit of a repository. */
  | "digest"
  /** Pinned: the content is checked against a checksum in the Dockerfile. */
  | "checksum"
  /** Pinned: exactly one version is named. */
  | "exact-version"
  /** Pinned: exactly the version a variable holds, which has no value here. */
  | "variable-version"
  /** Not pinned: only a name. */
  | "no-version"
  /** Not pinned: any of several versions. */
  | "range"
  /** Not pinned: `latest` and other names that move. */
  | "moving-name"
  /** Not pinned: the tag of an image can be moved. */
  | "tag"
  /** Not pinned: files of the build context decide. */
  | "local"
  /** Not pinned: a variable without a value here decides. */
  | "unknown";

export interface Pin {
  readonly pinned: boolean;
  readonly pinReason: PinReason;
}

/** An image from outside that a build takes. */
export interface InventoryImage extends Place, Pin {
  readonly manager: "base";
  /** What asks for it: FROM, `COPY --from`, `RUN --mount=from`, or the `# syntax=` line. */
  readonly via: "from" | "copy" | "mount" | "syntax";
  /** Variables filled in; those without a value stay as they are written. */
  readonly reference: string;
  readonly registry: string;
  readonly repository: string;
  /** Last part of the repository. */
  readonly name: string;
  readonly tag?: string | undefined;
  readonly digest?: string | undefined;
  /** The tag up to its first dash. */
  readonly version?: string | undefined;
  /** The tag behind its first dash. */
  readonly suffix?: string | undefined;
  /** As the Dockerfile asks for it. */
  readonly platform?: string | undefined;
  /** Names of variables in the reference or the platform without a value here. */
  readonly unresolved?: readonly string[] | undefined;
  /** Whether building the target needs it. */
  readonly needed: boolean;
  /** `FROM golang:1` */
  readonly sourceRef: string;
  /** Version and name are read from the tag, which is only a name. */
  readonly confidence: "inferred";
}

/** A distribution that a base image's tag names. */
export interface InventoryLineage {
  readonly name: string;
  /** Empty when the tag does not tell it. */
  readonly version: string;
  readonly stage: string;
  readonly final: boolean;
}

export type PackageManager =
  | "apk"
  | "apt"
  | "binary"
  | "cargo"
  | "dnf"
  | "galaxy"
  | "gem"
  | "git"
  | "go"
  | "npm"
  | "pip"
  | "pipx"
  | "pnpm"
  | "poetry"
  | "uv"
  | "yarn"
  | "yum"
  | "zypper";

/** How the Dockerfile makes sure of a download's content. */
export interface Verification {
  /** `sha256`, `sha512`, … or `gpg`, `cosign`. */
  readonly method: string;
  /** The checksum, when the Dockerfile holds it. */
  readonly value?: string | undefined;
}

/** A package that is installed, or a file that is downloaded. */
export interface InventoryPackage extends Place, Pin {
  readonly manager: PackageManager;
  readonly name: string;
  /** Version, range or tag; absent when none is asked for. */
  readonly version?: string | undefined;
  /** Of downloads, as written. */
  readonly url?: string | undefined;
  /** Of downloads whose URL has variables, all of which have a value here. */
  readonly resolvedUrl?: string | undefined;
  readonly verification?: Verification | undefined;
  /** The distribution whose package this is, when the base image's name tells. */
  readonly distribution?: string | undefined;
  /** `RUN apk add git`, as written, at most some hundred characters of it. */
  readonly sourceRef: string;
}

/** A file that names packages which are installed: what they are is not told by the Dockerfile. */
export interface InventoryDependencyFile extends Place {
  readonly manager: PackageManager;
  readonly path: string;
  /** Whether exact versions in it are kept to. */
  readonly locked: boolean;
  readonly sourceRef: string;
}

/** An ARG. */
export interface InventoryArgument {
  readonly name: string;
  /** Without quotes, variables filled in; absent when there is none, or it is not shown. */
  readonly default?: string | undefined;
  /** True when it looks like a secret, and so is not shown. */
  readonly hidden?: true | undefined;
  readonly line: number;
  /** Number of the stage; absent before the first FROM. */
  readonly stageIndex?: number | undefined;
  /** The instruction as written. */
  readonly sourceRef: string;
}

export interface InventoryStage {
  readonly index: number;
  readonly name?: string | undefined;
  readonly line: number;
  /** The image, the name of the stage, or `scratch`. */
  readonly base: string;
  /** Number of the stage it starts from. */
  readonly parent?: number | undefined;
  readonly final: boolean;
  readonly needed: boolean;
  readonly ships: Ships;
}

export type Severity = "high" | "medium" | "low";

/** Something in a Dockerfile worth a change. */
export interface Finding {
  /** Stable id, such as `curl-to-shell`. */
  readonly rule: string;
  readonly severity: Severity;
  readonly line: number;
  /** Number of the stage; absent for what concerns none. */
  readonly stageIndex?: number | undefined;
  readonly message: string;
  /** What to do about it. */
  readonly remedy: string;
}

/**
 * What a Dockerfile says of its image: plain JSON. What a base image, a script of the build context
 * or a requirement file brings is not in it.
 */
export interface Inventory {
  /** Of this shape; it changes when a reader of the old one would be misled. */
  readonly schemaVersion: 1;
  /** Name or number of the stage that is built; absent when there is no stage. */
  readonly target?: string | undefined;
  readonly stages: readonly InventoryStage[];
  readonly args: readonly InventoryArgument[];
  readonly baseImages: readonly InventoryImage[];
  readonly lineage: readonly InventoryLineage[];
  readonly packages: readonly InventoryPackage[];
  readonly dependencyFiles: readonly InventoryDependencyFile[];
  readonly findings: readonly Finding[];
}
