import type { FleetDetails } from "./fleet.js";

/** A rule that does not hold, and what to do about it. */
export interface WhyFinding {
  readonly rule: string;
  readonly effect: "warn" | "refuse";
  readonly message: string;
  readonly remedy: string;
}

/** What admission says of an image. */
export interface WhyVerdict {
  readonly decision: "allowed" | "warned" | "refused";
  readonly findings: readonly WhyFinding[];
  /** Rules that were asked and hold. */
  readonly passed: readonly string[];
  /** The image it was said of, when that is not the one that runs, or may not be. */
  readonly image?: string | undefined;
  /** When it was said; undefined for now. */
  readonly at?: string | undefined;
}

/** How an image came to be, as its builder wrote it down. */
export interface WhyProvenance {
  readonly builder: string;
  readonly buildType: string;
  readonly repository: string | undefined;
  readonly commit: string | undefined;
  readonly startedAt: string | undefined;
  readonly finishedAt: string | undefined;
  readonly dependencies: readonly { readonly uri: string; readonly digest: string | undefined }[];
}

/** Why a workspace runs what it runs. */
export interface WorkspaceWhy extends Pick<
  FleetDetails,
  "id" | "name" | "tier" | "status" | "image" | "digest" | "revision" | "why"
> {
  readonly imageId: string | undefined;
  /** Repository of the template; undefined for an image that was pulled, and through a server. */
  readonly source?: string | undefined;
  /** Undefined when nobody wrote it down. */
  readonly provenance: WhyProvenance | undefined;
  /** By the policy of now; through a server, of the last start. Undefined when nobody was asked. */
  readonly verdict: WhyVerdict | undefined;
}
