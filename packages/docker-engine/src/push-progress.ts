import type { PushProgress } from "@molecule-ai/core";
import { z } from "zod";

const MESSAGE = z.looseObject({
  id: z.string().optional(),
  status: z.string().optional(),
  progressDetail: z
    .looseObject({ current: z.number().optional(), total: z.number().optional() })
    .nullish(),
  aux: z.looseObject({ Digest: z.string(), Size: z.number().optional() }).nullish(),
});

const LAYER_STATUSES: Readonly<Record<string, PushProgress["status"]>> = {
  Preparing: "preparing",
  Waiting: "waiting",
  Pushing: "pushing",
  Pushed: "complete",
  "Layer already exists": "exists",
};

/** What one message of a push means. */
export type PushMessage =
  | { readonly kind: "layer"; readonly event: PushProgress }
  /** The manifest as the registry has it: the engine says it only when all is there. */
  | { readonly kind: "manifest"; readonly digest: string; readonly sizeBytes: number }
  /** Words for people; also a retry, which starts a layer's bytes again. */
  | { readonly kind: "other" };

/** Decodes a message of the engine's push stream. Unknown messages are `other`, never an error. */
export function decodePushMessage(ref: string, value: unknown): PushMessage {
  const message = MESSAGE.safeParse(value);
  if (!message.success) return { kind: "other" };
  const { id = "", status = "", progressDetail, aux } = message.data;
  if (aux !== undefined && aux !== null) {
    return DIGEST.test(aux.Digest)
      ? { kind: "manifest", digest: aux.Digest, sizeBytes: Math.max(0, aux.Size ?? 0) }
      : { kind: "other" };
  }
  if (id === "") {
    // Engines that send no `aux` (Podman) say it in this line only.
    const found = /^\S{1,128}: digest: (sha256:[0-9a-f]{64}) size: (\d{1,15})$/.exec(status);
    return found?.[1] === undefined
      ? { kind: "other" }
      : { kind: "manifest", digest: found[1], sizeBytes: Number(found[2]) };
  }
  const layer = layerStatus(status);
  if (layer === undefined) return { kind: "other" };
  const { current, total } = progressDetail ?? {};
  return {
    kind: "layer",
    event: {
      type: "push.layer",
      ref,
      layer: id,
      status: layer,
      ...(current === undefined ? {} : { currentBytes: current }),
      // The engine says nothing of the total once the count has passed it.
      ...(total === undefined || total <= 0 ? {} : { totalBytes: total }),
    },
  };
}

const DIGEST = /^sha256:[0-9a-f]{64}$/;

function layerStatus(status: string): PushProgress["status"] | undefined {
  // Object.hasOwn: a status of `constructor` is no status.
  if (Object.hasOwn(LAYER_STATUSES, status)) return LAYER_STATUSES[status];
  return status.startsWith("Mounted from ") ? "mounted" : undefined;
}
