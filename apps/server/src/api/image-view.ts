import { z } from "zod";

const moment = z.iso.datetime({ offset: true });

export const digestText = z
  .string()
  .regex(/^sha256:[0-9a-f]{64}$/, "must be sha256: and 64 lower-case hex digits");

/** One image that workspaces of a runtime run. */
const imageInUse = z.object({
  image: z.string().nullable(),
  digest: z.string().nullable(),
  image_id: z.string().nullable(),
  revision: z.string().nullable().describe("Commit of the template it was built from."),
  workspaces: z.int().positive(),
  workspace_ids: z.array(z.uuid()).describe("At most 100 of them."),
});

const runtimeImages = z.object({
  runtime: z.string(),
  origin: z.enum(["built-in", "extra"]),
  image: z.string().nullable().describe("What a new workspace gets; null when it cannot be named."),
  pin: z
    .object({
      digest: z.string(),
      source: z.enum(["store", "environment"]),
      created_by: z.string().nullable(),
      created_at: moment.nullable(),
    })
    .nullable(),
  seen: z
    .object({ image: z.string(), digest: z.string(), seen_at: moment })
    .nullable()
    .describe("The last that a refresh brought here."),
  in_use: z.array(imageInUse),
});

/** Images of all runtimes, as clients see them. */
export const imagesView = z
  .object({
    mode: z.enum(["registry", "local-build"]),
    prefix: z.string().describe("Of the registry, or of the repositories of the templates."),
    runtimes: z.array(runtimeImages),
  })
  .meta({ id: "Images" });
export type ImagesView = z.infer<typeof imagesView>;
export type ImageInUse = z.infer<typeof imageInUse>;

export const imageRefreshView = z
  .object({
    pulled: z.array(z.string()).describe("Runtimes whose image is here: pulled, or built."),
    failed: z.array(z.string()),
    recreated: z.array(z.string()).describe("Containers that are being replaced, by name."),
    pinned: z.array(z.string()).describe("Runtimes that a pin holds; they were left alone."),
    failures: z.array(z.object({ runtime: z.string(), code: z.string(), message: z.string() })),
    operations: z.array(z.object({ id: z.uuid(), workspace_id: z.uuid(), state: z.string() })),
  })
  .meta({ id: "ImageRefresh" });
export type ImageRefreshView = z.infer<typeof imageRefreshView>;
