import type { ErrorRecord } from "@molecule-ai/core";
import type { CleanupClass } from "./cleanup-policy.js";

interface About {
  readonly class: CleanupClass;
  readonly id: string;
  readonly name: string;
}

/** What became of one thing of a plan; plain JSON. */
export type CleanupEvent =
  | (About & { readonly type: "cleanup.removed"; readonly freedBytes: number })
  /** It was planned to go, and something happened to it since. */
  | (About & { readonly type: "cleanup.kept"; readonly reason: string })
  | (About & { readonly type: "cleanup.failed"; readonly error: ErrorRecord });
