import type { PullProgress } from "@molecule-ai/core";
import { z } from "zod";

const MESSAGE = z.looseObject({
  id: z.string().optional(),
  status: z.string(),
  progressDetail: z
    .looseObject({ current: z.number().optional(), total: z.number().optional() })
    .nullish(),
});

const LAYER_STATUSES: Readonly<Record<string, PullProgress["status"]>> = {
  "Pulling fs layer": "waiting",
  Waiting: "waiting",
  Downloading: "downloading",
  "Verifying Checksum": "verifying",
  "Download complete": "downloaded",
  Extracting: "extracting",
  "Pull complete": "complete",
  "Already exists": "exists",
};

/** What one message of a pull means. */
export type PullMessage =
  | { readonly kind: "layer"; readonly event: PullProgress }
  /** The digest of the manifest: the engine says it only when all is there. */
  | { readonly kind: "digest"; readonly digest: string }
  /** Words for people; also a retry, which starts a layer's bytes again. */
  | { readonly kind: "other" };

/** Decodes a message of the engine's pull stream. Unknown messages are `other`, never an error. */
export function decodePullMessage(ref: string, value: unknown): PullMessage {
  const message = MESSAGE.safeParse(value);
  if (!message.success) return { kind: "other" };
  const { id, status, progressDetail } = message.data;
  if (id === undefined || id === "") {
    const digest = /^Digest: (sha256:[0-9a-f]{64})$/.exec(status)?.[1];
    return digest === undefined ? { kind: "other" } : { kind: "digest", digest };
  }
  // Object.hasOwn: a status of `constructor` is no status.
  if (!Object.hasOwn(LAYER_STATUSES, status)) return { kind: "other" };
  const { current, total } = progressDetail ?? {};
  return {
    kind: "layer",
    event: {
      type: "pull.layer",
      ref,
      layer: id,
      status: LAYER_STATUSES[status] as PullProgress["status"],
      ...(current === undefined ? {} : { currentBytes: current }),
      // The engine says -1 or nothing while it does not know.
      ...(total === undefined || total <= 0 ? {} : { totalBytes: total }),
    },
  };
}
