import type { EventSink } from "@molecule-ai/core";
import type { Tier } from "@molecule-ai/host-config";
import type { ResolvedImage } from "@molecule-ai/registry-mode";

export interface AdmissionQuestion {
  readonly workspaceId: string;
  readonly runtime: string;
  /** The tier really applied. */
  readonly tier: Tier;
  readonly image: ResolvedImage;
  /** True for an image that was named, not the one of a runtime. */
  readonly isNamed: boolean;
  readonly signal?: AbortSignal | undefined;
  readonly onEvent?: EventSink | undefined;
}

/** What was said of an image before a workspace was made of it. */
export interface AdmissionAnswer {
  readonly decision: "allowed" | "warned";
  /** Rules that do not hold, each with what to do about it. */
  readonly findings: readonly {
    readonly rule: string;
    readonly message: string;
    readonly remedy: string;
  }[];
}

/**
 * Whether a workspace may start from an image: the port handed to the provisioner. Asked once the
 * image is present and before anything is made; rejects to refuse, with the rule and the remedy.
 */
export type Admission = (question: AdmissionQuestion) => Promise<AdmissionAnswer>;
