import { z } from "zod";

/** What an image says about itself. */
export interface ImageConfig {
  /** Of the manifest the configuration belongs to: of an index, the chosen platform's. */
  readonly manifestDigest: string;
  /** Of the configuration itself; the image id in a classic store. */
  readonly digest: string;
  readonly os: string;
  /** Go's word: amd64, arm64 … */
  readonly arch: string;
  readonly variant: string | undefined;
  /** Unix milliseconds; undefined when it says none that could be one. */
  readonly createdAt: number | undefined;
  readonly labels: Readonly<Record<string, string>>;
  readonly entrypoint: readonly string[];
  readonly cmd: readonly string[];
  readonly env: readonly string[];
  readonly user: string;
  readonly workingDir: string;
  /** Digests of the layers, uncompressed. */
  readonly diffIds: readonly string[];
  readonly history: readonly ImageHistory[];
}

export interface ImageHistory {
  readonly createdAt: number | undefined;
  readonly createdBy: string;
  readonly comment: string;
  readonly emptyLayer: boolean;
}

const text = z
  .string()
  .nullish()
  .transform((value) => value ?? "");
const strings = z
  .array(z.string())
  .nullish()
  .transform((value): readonly string[] => value ?? []);
const instant = z
  .string()
  .nullish()
  .transform((value) => {
    const at = value === null || value === undefined ? Number.NaN : Date.parse(value);
    return Number.isNaN(at) ? undefined : at;
  });

const CONFIG = z.looseObject({
  os: text,
  architecture: text,
  variant: text,
  created: instant,
  config: z
    .looseObject({
      Labels: z.record(z.string(), z.string()).nullish(),
      Entrypoint: strings,
      Cmd: strings,
      Env: strings,
      User: text,
      WorkingDir: text,
    })
    .nullish(),
  rootfs: z.looseObject({ diff_ids: strings }).nullish(),
  history: z
    .array(
      z.looseObject({
        created: instant,
        created_by: text,
        comment: text,
        empty_layer: z.boolean().nullish(),
      }),
    )
    .nullish(),
});

/** Reads the JSON of an image configuration; undefined when it is none. */
export function parseImageConfig(
  json: unknown,
): Omit<ImageConfig, "digest" | "manifestDigest"> | undefined {
  const parsed = CONFIG.safeParse(json);
  if (!parsed.success) return undefined;
  const { config, history, rootfs, ...about } = parsed.data;
  return {
    os: about.os,
    arch: about.architecture,
    variant: about.variant === "" ? undefined : about.variant,
    createdAt: about.created,
    labels: config?.Labels ?? {},
    entrypoint: config?.Entrypoint ?? [],
    cmd: config?.Cmd ?? [],
    env: config?.Env ?? [],
    user: config?.User ?? "",
    workingDir: config?.WorkingDir ?? "",
    diffIds: rootfs?.diff_ids ?? [],
    history: (history ?? []).map((entry) => ({
      createdAt: entry.created,
      createdBy: entry.created_by,
      comment: entry.comment,
      emptyLayer: entry.empty_layer ?? false,
    })),
  };
}
