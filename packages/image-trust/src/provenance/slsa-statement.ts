import type { JsonObject } from "@molecule-ai/core";
import type { ProvenanceFacts } from "./build-facts.js";

export const STATEMENT_TYPE = "https://in-toto.io/Statement/v1";
export const SLSA_PREDICATE_TYPE = "https://slsa.dev/provenance/v1";
/** What our parameters mean; docs/trust.md describes it. */
export const BUILD_TYPE =
  "https://github.com/molecule-ai/molecule-provisioner/blob/main/docs/trust.md#build-type-template-v1";

/**
 * The SLSA v1 provenance of a build as an in-toto statement
 * (https://slsa.dev/spec/v1.0/provenance). Pure, and the same bytes for the same facts.
 */
export function slsaStatement(facts: ProvenanceFacts): JsonObject {
  const { subject, source, builder } = facts;
  return {
    _type: STATEMENT_TYPE,
    subject: subject.names.map((name) => ({ name, digest: digestSet(subject.digest) })),
    predicateType: SLSA_PREDICATE_TYPE,
    predicate: {
      buildDefinition: {
        buildType: BUILD_TYPE,
        externalParameters: {
          repository: source.repository,
          ref: source.ref ?? null,
          ...sorted(facts.parameters),
        },
        internalParameters: { tree: source.tree, dockerfile: dockerfileOf(facts) },
        resolvedDependencies: [
          {
            uri: `git+${source.repository}@${source.commit}`,
            digest: { gitCommit: source.commit },
          },
          ...facts.bases.map(({ reference, digest }) => ({
            uri: `docker://${reference}`,
            digest: digestSet(digest),
          })),
        ],
      },
      runDetails: {
        builder: { id: builder.id, version: sorted(builder.versions) },
        metadata: {
          invocationId: facts.invocationId,
          startedOn: new Date(facts.startedAt).toISOString(),
          finishedOn: new Date(facts.finishedAt).toISOString(),
        },
      },
    },
  };
}

function dockerfileOf({ dockerfile }: ProvenanceFacts): JsonObject | null {
  if (dockerfile === undefined) return null;
  return {
    bases: [...dockerfile.bases],
    findings: dockerfile.findings.map(({ rule, severity, line }) => ({ rule, severity, line })),
  };
}

function digestSet(digest: string): Record<string, string> {
  const [algorithm = "", value = ""] = digest.split(":");
  return { [algorithm]: value };
}

function sorted(values: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(values).sort(([a], [b]) => (a < b ? -1 : 1)));
}
