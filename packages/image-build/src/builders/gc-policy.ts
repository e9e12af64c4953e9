import { parse, stringify, type TomlTable } from "smol-toml";
import { z } from "zod";
import { ImageBuildError } from "../errors.js";
import { parseByteSize } from "../units/byte-size.js";
import { parseDuration } from "../units/duration.js";

/** Bytes, or a share of the disk such as `10%`. */
export type DiskSpace = number | `${number}%`;

/** One rule of garbage collection; rules are applied in order, the first are the most specific. */
export interface GcRule {
  /** Also internal and shared records. */
  readonly all?: boolean | undefined;
  /** Any of them: `type==source.local`, `type==exec.cachemount` … Empty for every record. */
  readonly filters?: readonly string[] | undefined;
  /** Only records that were not used for so long. */
  readonly keepDurationMs?: number | undefined;
  /** Never goes below this. */
  readonly reserved?: DiskSpace | undefined;
  /** Collects what is above this. */
  readonly maxUsed?: DiskSpace | undefined;
  /** Leaves so much of the disk free, as far as `reserved` allows. */
  readonly minFree?: DiskSpace | undefined;
}

export interface RegistrySettings {
  /** Asked before the registry itself, in order. */
  readonly mirrors?: readonly string[] | undefined;
  /** Plain HTTP. */
  readonly http?: boolean | undefined;
  /** TLS without verification. */
  readonly insecure?: boolean | undefined;
  /** Certificates of authorities, as paths inside the builder. */
  readonly caFiles?: readonly string[] | undefined;
}

/** Configuration of the daemon in a docker-container builder. */
export interface BuilderConfig {
  /** `false` switches the collection off; undefined leaves the daemon's own rules. */
  readonly gc?: readonly GcRule[] | false | undefined;
  /** By host. */
  readonly registries?: Readonly<Record<string, RegistrySettings>> | undefined;
  /** Steps that run at once. */
  readonly maxParallelism?: number | undefined;
}

export interface RenderConfigOptions {
  /**
   * For BuildKit before 0.17, which knows one limit (`keepBytes`) and no shares of the disk: the
   * largest bound of a rule becomes that limit.
   */
  readonly legacy?: boolean | undefined;
}

const space = z.union([
  z.number().int().nonnegative(),
  z.string().regex(/^\d{1,3}%$/) as unknown as z.ZodType<`${number}%`>,
]);
const CONFIG = z.strictObject({
  gc: z
    .union([
      z.literal(false),
      z.array(
        z.strictObject({
          all: z.boolean().optional(),
          filters: z.array(z.string().min(1)).optional(),
          keepDurationMs: z.number().nonnegative().optional(),
          reserved: space.optional(),
          maxUsed: space.optional(),
          minFree: space.optional(),
        }),
      ),
    ])
    .optional(),
  registries: z
    .record(
      z.string().min(1),
      z.strictObject({
        mirrors: z.array(z.string().min(1)).optional(),
        http: z.boolean().optional(),
        insecure: z.boolean().optional(),
        caFiles: z.array(z.string().min(1)).optional(),
      }),
    )
    .optional(),
  maxParallelism: z.number().int().positive().optional(),
});

/** The `buildkitd.toml` of a configuration, the same text for the same settings. Throws `ERR_BUILDER`. */
export function renderBuilderConfig(
  config: BuilderConfig,
  options: RenderConfigOptions = {},
): string {
  const checked = CONFIG.safeParse(config);
  if (!checked.success) throw refused(checked.error);
  const { gc, registries = {}, maxParallelism } = checked.data;
  const worker: TomlTable = {
    ...(gc === undefined ? {} : { gc: gc !== false }),
    ...(maxParallelism === undefined ? {} : { "max-parallelism": maxParallelism }),
    ...(gc === undefined || gc === false
      ? {}
      : { gcpolicy: gc.map((rule) => ruleTable(rule, options.legacy === true)) }),
  };
  const hosts = Object.entries(registries).sort(([a], [b]) => (a < b ? -1 : 1));
  const toml = stringify({
    ...(Object.keys(worker).length > 0 ? { worker: { oci: worker } } : {}),
    ...(hosts.length > 0
      ? {
          registry: Object.fromEntries(
            hosts.map(([host, { caFiles, ...rest }]) => [host, defined({ ...rest, ca: caFiles })]),
          ),
        }
      : {}),
  });
  return toml.trim() === "" ? "" : toml;
}

function ruleTable(rule: GcRule, legacy: boolean): TomlTable {
  const { all, filters, keepDurationMs, reserved, maxUsed, minFree } = rule;
  return defined({
    all,
    filters,
    // Whole seconds and bytes are the spelling that every version reads.
    keepDuration: keepDurationMs === undefined ? undefined : Math.ceil(keepDurationMs / 1000),
    ...(legacy
      ? { keepBytes: typeof maxUsed === "number" ? maxUsed : numberOf(reserved) }
      : { reservedSpace: reserved, maxUsedSpace: maxUsed, minFreeSpace: minFree }),
  });
}

function numberOf(value: DiskSpace | undefined): number | undefined {
  return typeof value === "number" ? value : undefined;
}

function defined(values: Readonly<Record<string, unknown>>): TomlTable {
  return Object.fromEntries(
    Object.entries(values).filter(([, value]) => value !== undefined),
  ) as TomlTable;
}

const diskSpace = z
  .union([z.number().int().nonnegative(), z.bigint(), z.string()])
  .transform((value): DiskSpace => {
    if (typeof value !== "string") return Number(value);
    return /^\d{1,3}%$/.test(value) ? (value as `${number}%`) : parseByteSize(value);
  });
const duration = z.union([z.number().nonnegative(), z.string()]).transform((value) => {
  if (typeof value === "number") return value * 1000;
  return /^\d+$/.test(value) ? Number(value) * 1000 : parseDuration(value);
});

const TOML = z.looseObject({
  worker: z
    .looseObject({
      oci: z
        .looseObject({
          gc: z.boolean().optional(),
          "max-parallelism": z.number().optional(),
          gcpolicy: z
            .array(
              z.looseObject({
                all: z.boolean().optional(),
                filters: z.array(z.string()).optional(),
                keepDuration: duration.optional(),
                keepBytes: diskSpace.optional(),
                reservedSpace: diskSpace.optional(),
                maxUsedSpace: diskSpace.optional(),
                minFreeSpace: diskSpace.optional(),
              }),
            )
            .optional(),
        })
        .optional(),
    })
    .optional(),
  registry: z
    .record(
      z.string(),
      z.looseObject({
        mirrors: z.array(z.string()).optional(),
        http: z.boolean().optional(),
        insecure: z.boolean().optional(),
        ca: z.array(z.string()).optional(),
      }),
    )
    .optional(),
});

/**
 * Reads what concerns us of a `buildkitd.toml`; other settings of the daemon are left out. The
 * `keepBytes` of older files is read as `reserved`, as newer daemons do. Throws `ERR_BUILDER`.
 */
export function parseBuilderConfig(toml: string): BuilderConfig {
  let read: z.infer<typeof TOML>;
  try {
    read = TOML.parse(parse(toml));
  } catch (cause) {
    throw refused(cause);
  }
  const { oci } = read.worker ?? {};
  const rules = oci?.gcpolicy?.map((rule) =>
    defined({
      all: rule.all,
      filters: rule.filters,
      keepDurationMs: rule.keepDuration,
      reserved: rule.reservedSpace ?? rule.keepBytes,
      maxUsed: rule.maxUsedSpace,
      minFree: rule.minFreeSpace,
    }),
  ) as readonly GcRule[] | undefined;
  return defined({
    gc: oci?.gc === false ? false : rules,
    maxParallelism: oci?.["max-parallelism"],
    registries:
      read.registry === undefined
        ? undefined
        : Object.fromEntries(
            Object.entries(read.registry).map(([host, { mirrors, http, insecure, ca }]) => [
              host,
              defined({ mirrors, http, insecure, caFiles: ca }),
            ]),
          ),
  }) as BuilderConfig;
}

function refused(cause: unknown): ImageBuildError {
  return new ImageBuildError("ERR_BUILDER", "The configuration of a builder means nothing.", {
    hint: "Correct the garbage collection rules and registries of the builder; see the cause.",
    cause,
  });
}
