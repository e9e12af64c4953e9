import type { JsonObject } from "@molecule-ai/core";
import { z } from "zod";
import type { DockerfileFacts } from "./build-facts.js";
import { matchesPattern, type TrustPolicy } from "../policy/trust-policy.js";
import { SLSA_PREDICATE_TYPE } from "./slsa-statement.js";

/** What a provenance predicate says, whoever made it. */
export interface Provenance {
  readonly buildType: string;
  readonly builder: string;
  readonly repository: string | undefined;
  readonly commit: string | undefined;
  readonly dependencies: readonly { readonly uri: string; readonly digest: string | undefined }[];
  /** Of our own statements: what the Dockerfile said when it was built. */
  readonly dockerfile: DockerfileFacts | undefined;
  readonly startedAt: string | undefined;
  readonly finishedAt: string | undefined;
}

const DOCKERFILE = z
  .looseObject({
    bases: z.array(z.string()).max(1000),
    findings: z
      .array(
        z.looseObject({
          rule: z.string(),
          severity: z.enum(["low", "medium", "high"]),
          line: z.number(),
        }),
      )
      .max(10_000),
  })
  .nullish()
  .catch(undefined);

const PREDICATE = z.looseObject({
  buildDefinition: z.looseObject({
    buildType: z.string(),
    externalParameters: z.record(z.string(), z.unknown()).default({}),
    internalParameters: z
      .looseObject({ dockerfile: DOCKERFILE })
      .default({ dockerfile: undefined }),
    resolvedDependencies: z
      .array(
        z.looseObject({
          uri: z.string().default(""),
          digest: z.record(z.string(), z.string()).default({}),
        }),
      )
      .max(10_000)
      .default([]),
  }),
  runDetails: z.looseObject({
    builder: z.looseObject({ id: z.string() }),
    metadata: z
      .looseObject({ startedOn: z.string().optional(), finishedOn: z.string().optional() })
      .default({}),
  }),
});

/** Reads a SLSA v1 predicate; undefined for any other type, and for what is none. */
export function readProvenance(
  predicateType: string,
  predicate: JsonObject,
): Provenance | undefined {
  if (predicateType !== SLSA_PREDICATE_TYPE) return undefined;
  const parsed = PREDICATE.safeParse(predicate);
  if (!parsed.success) return undefined;
  const { buildDefinition, runDetails } = parsed.data;
  const { repository } = buildDefinition.externalParameters;
  const git = buildDefinition.resolvedDependencies.find(({ digest }) => "gitCommit" in digest);
  return {
    buildType: buildDefinition.buildType,
    builder: runDetails.builder.id,
    repository: typeof repository === "string" ? repository : repositoryOf(git?.uri),
    commit: git?.digest["gitCommit"],
    dependencies: buildDefinition.resolvedDependencies.map(({ uri, digest }) => ({
      uri,
      digest: digest["sha256"] === undefined ? undefined : `sha256:${digest["sha256"]}`,
    })),
    dockerfile: buildDefinition.internalParameters.dockerfile ?? undefined,
    startedAt: runDetails.metadata.startedOn,
    finishedAt: runDetails.metadata.finishedOn,
  };
}

/** Why a provenance does not satisfy a policy; undefined when it does. */
export function provenanceFault(
  { builder, repository }: Provenance,
  { builders, sources }: Pick<TrustPolicy, "builders" | "sources">,
): string | undefined {
  if (builders.length > 0 && !builders.includes(builder)) {
    return `its builder ${builder} is not trusted`;
  }
  const from = repository ?? "nowhere known";
  if (sources.length > 0 && !sources.some((pattern) => matchesPattern(pattern, from))) {
    return `it was built from ${from}, which is no trusted source`;
  }
  return undefined;
}

function repositoryOf(uri: string | undefined): string | undefined {
  return uri === undefined ? undefined : /^git\+(.+?)(?:@[0-9a-f]{40,64})?$/.exec(uri)?.[1];
}
