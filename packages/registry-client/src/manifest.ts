import { isDigest, type Platform } from "@molecule-ai/registry-mode";
import { z } from "zod";

/** Points at content: OCI's descriptor. */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly sizeBytes: number;
  readonly annotations?: Readonly<Record<string, string>> | undefined;
  readonly artifactType?: string | undefined;
  readonly platform?: Platform | undefined;
  /** Where content lies that a registry does not hand out itself. */
  readonly urls?: readonly string[] | undefined;
}

/** What a manifest says. */
export type ParsedManifest =
  /** Several manifests, one per platform: an OCI index or Docker manifest list. */
  | {
      readonly kind: "index";
      readonly manifests: readonly Descriptor[];
      readonly subject: Descriptor | undefined;
      readonly artifactType: string | undefined;
      readonly annotations: Readonly<Record<string, string>>;
    }
  /** An image or another artifact. */
  | {
      readonly kind: "image";
      readonly config: Descriptor;
      readonly layers: readonly Descriptor[];
      readonly subject: Descriptor | undefined;
      /** Its own, else the media type of its configuration. */
      readonly artifactType: string | undefined;
      readonly annotations: Readonly<Record<string, string>>;
    };

export const MEDIA_TYPES = {
  ociIndex: "application/vnd.oci.image.index.v1+json",
  ociManifest: "application/vnd.oci.image.manifest.v1+json",
  dockerList: "application/vnd.docker.distribution.manifest.list.v2+json",
  dockerManifest: "application/vnd.docker.distribution.manifest.v2+json",
  ociEmpty: "application/vnd.oci.empty.v1+json",
} as const;

/** True for an OCI index and a Docker manifest list. */
export function isIndexMediaType(mediaType: string): boolean {
  return mediaType === MEDIA_TYPES.ociIndex || mediaType === MEDIA_TYPES.dockerList;
}

// More parts than any real image, and few enough to walk.
const MOST_PARTS = 10_000;

const annotations = z.record(z.string(), z.string()).nullish();
const DESCRIPTOR = z
  .looseObject({
    mediaType: z.string().max(255).default(""),
    digest: z.string().refine(isDigest),
    size: z.int().nonnegative(),
    annotations,
    artifactType: z.string().max(255).nullish(),
    platform: z
      .looseObject({
        os: z.string().nullish(),
        architecture: z.string().nullish(),
        variant: z.string().nullish(),
      })
      .nullish(),
    urls: z.array(z.string()).nullish(),
  })
  .transform((found): Descriptor => ({
    mediaType: found.mediaType,
    digest: found.digest,
    sizeBytes: found.size,
    ...present("annotations", found.annotations),
    ...present("artifactType", found.artifactType),
    ...present("urls", found.urls),
    ...present(
      "platform",
      found.platform && {
        os: found.platform.os ?? "",
        arch: found.platform.architecture ?? "",
        variant: found.platform.variant ?? undefined,
      },
    ),
  }));

const common = {
  subject: DESCRIPTOR.nullish(),
  artifactType: z.string().max(255).nullish(),
  annotations,
};
const INDEX = z.looseObject({ manifests: z.array(DESCRIPTOR).max(MOST_PARTS), ...common });
const IMAGE = z.looseObject({
  config: DESCRIPTOR,
  layers: z.array(DESCRIPTOR).max(MOST_PARTS),
  ...common,
});

/** Reads a manifest or index; undefined when it is neither (such as one of schema 1) or both. */
export function parseManifest(json: unknown): ParsedManifest | undefined {
  const index = INDEX.safeParse(json);
  const image = IMAGE.safeParse(json);
  // What can be read as both would be one image to us and another one to somebody else.
  if (index.success === image.success) return undefined;
  if (index.success) {
    return { kind: "index", manifests: index.data.manifests, ...commonOf(index.data) };
  }
  if (!image.success) return undefined;
  const { config, layers } = image.data;
  const about = commonOf(image.data);
  return {
    kind: "image",
    config,
    layers,
    ...about,
    artifactType: about.artifactType ?? config.mediaType,
  };
}

/** The JSON of a descriptor, as it stands in manifests. */
export function formatDescriptor(descriptor: Descriptor): Readonly<Record<string, unknown>> {
  const { platform } = descriptor;
  return {
    mediaType: descriptor.mediaType,
    digest: descriptor.digest,
    size: descriptor.sizeBytes,
    ...present("artifactType", descriptor.artifactType),
    ...present("annotations", descriptor.annotations),
    ...present("urls", descriptor.urls),
    ...present(
      "platform",
      platform && {
        os: platform.os,
        architecture: platform.arch,
        ...present("variant", platform.variant),
      },
    ),
  };
}

function commonOf(found: {
  readonly subject?: Descriptor | null | undefined;
  readonly artifactType?: string | null | undefined;
  readonly annotations?: Record<string, string> | null | undefined;
}): Pick<ParsedManifest, "subject" | "artifactType" | "annotations"> {
  return {
    subject: found.subject ?? undefined,
    artifactType: found.artifactType ?? undefined,
    annotations: found.annotations ?? {},
  };
}

function present<Key extends string, Value>(
  key: Key,
  value: Value | null | undefined,
): { readonly [K in Key]?: Value } {
  return value === null || value === undefined
    ? {}
    : ({ [key]: value } as { readonly [K in Key]: Value });
}
