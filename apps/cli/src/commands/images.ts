import type { FleetRuntimeImage } from "../fleet/fleet.js";
import { openFleet } from "../fleet/open-fleet.js";
import { formatAge, formatBytes } from "../output/quantity.js";
import type { CommandResult } from "../output/reporter.js";
import type { Style } from "../output/style.js";
import { formatTable } from "../output/table.js";
import type { CommandContext } from "../run-command.js";

/** `images` */
export async function images(context: CommandContext): Promise<CommandResult> {
  await using fleet = await openFleet(context);
  const found = await fleet.images();
  const now = context.clock.now();
  return { data: { images: found }, text: (style) => formatImages(found, now, style) };
}

export function formatImages(
  images: readonly FleetRuntimeImage[],
  now: number,
  style: Style,
): string {
  if (images.length === 0) return "No images were built here. `build <runtime>` builds one.";
  const age = (at: number | undefined): string => (at === undefined ? "-" : formatAge(now - at));
  return formatTable(
    images,
    [
      { title: "RUNTIME", cell: ({ runtime }) => runtime },
      { title: "COMMIT", cell: ({ revision }) => revision?.slice(0, 12) ?? "-" },
      {
        title: "IMAGE",
        cell: ({ imageId }) => imageId?.replace("sha256:", "").slice(0, 12) ?? "-",
      },
      { title: "PLATFORM", cell: ({ platform }) => platform ?? "native" },
      {
        title: "SIZE",
        cell: ({ sizeBytes }) => (sizeBytes === undefined ? "-" : formatBytes(sizeBytes)),
        align: "right",
      },
      { title: "BUILT", cell: ({ builtAt }) => age(builtAt), align: "right" },
      { title: "USED", cell: ({ usedAt }) => age(usedAt), align: "right" },
      { title: "USED BY", cell: ({ usedBy }) => usedBy?.join(" ") || "-" },
    ],
    style.strong,
  );
}
