import type { ProvisionEvent } from "@molecule-ai/core";
import type { CleanupEvent, PublishEvent } from "@molecule-ai/image-build";
import { formatBytes, formatDuration } from "./quantity.js";
import type { CliEvent } from "./reporter.js";

/** What only the `image` commands tell. */
type ImageEvent = Exclude<PublishEvent | CleanupEvent, ProvisionEvent>;

const TYPES: ReadonlySet<string> = new Set<ImageEvent["type"]>([
  "push.tag",
  "push.cancelled",
  "copy.blob",
  "copy.manifest",
  "cleanup.removed",
  "cleanup.kept",
  "cleanup.failed",
]);

export function isImageEvent(event: CliEvent): event is ImageEvent {
  return TYPES.has(event.type);
}

/** A line for people; undefined for what says nothing new. */
export function noticeOfImageEvent(event: ImageEvent): string | undefined {
  switch (event.type) {
    case "push.tag":
      if (event.status !== "retrying") return undefined;
      return `! ${event.tag}: ${event.reason}, again in ${formatDuration(event.delayMs)}`;
    case "push.cancelled":
      return event.remaining.map((tag) => `! not pushed: ${tag}`).join("\n");
    case "copy.blob":
      if (event.status === "copying") return undefined;
      return `  ${shortDigest(event.digest)}  ${event.status}  ${formatBytes(event.sizeBytes)}`;
    case "copy.manifest":
      return `  ${shortDigest(event.digest)}  copied`;
    case "cleanup.removed":
    case "cleanup.kept":
    case "cleanup.failed":
      // All of them stand in the result.
      return undefined;
    default:
      return event satisfies never;
  }
}

function shortDigest(digest: string): string {
  return digest.slice(0, "sha256:".length + 12);
}
