import type { PushEvent } from "@molecule-ai/core";
import type { CopyEvent } from "@molecule-ai/registry-client";
import type { PushedTag } from "./push-error.js";

/** What happens while an image is published; plain JSON. */
export type PublishEvent =
  | PushEvent
  | CopyEvent
  | { readonly type: "push.tag"; readonly tag: string; readonly status: "started" }
  | {
      readonly type: "push.tag";
      readonly tag: string;
      readonly status: "pushed";
      readonly digest: string;
    }
  /** It failed in a way that may pass; `delayMs` later it is tried again. */
  | {
      readonly type: "push.tag";
      readonly tag: string;
      readonly status: "retrying";
      readonly reason: string;
      readonly delayMs: number;
    }
  /** The caller aborted. What is not in `pushed` is at its registry as it was before. */
  | {
      readonly type: "push.cancelled";
      readonly pushed: readonly PushedTag[];
      readonly remaining: readonly string[];
    };
