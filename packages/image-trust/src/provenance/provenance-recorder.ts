import { randomUUID } from "node:crypto";
import type { JsonObject } from "@molecule-ai/core";
import type { DockerEngine } from "@molecule-ai/docker-engine";
import type { Inventory } from "@molecule-ai/dockerfile";
import { bytesBlob, type RegistryClient } from "@molecule-ai/registry-client";
import { parseDigestReference } from "../digest-reference.js";
import { ImageTrustError } from "../errors.js";
import { IN_TOTO_PAYLOAD_TYPE } from "../verification/statement.js";
import type { DockerfileFacts, ProvenanceFacts } from "./build-facts.js";
import type { ProvenanceStore } from "./provenance-store.js";
import { basesOf, readInventory, resolveBases } from "./resolve-bases.js";
import { slsaStatement } from "./slsa-statement.js";

/** An image that was built just now, as its builder knows it. */
export interface BuiltImage {
  readonly imageId: string;
  readonly tags: readonly string[];
  readonly source: ProvenanceFacts["source"];
  /** The files it was built from, and the Dockerfile among them. */
  readonly files: string;
  readonly dockerfile: string;
  readonly parameters: Readonly<Record<string, string>>;
  readonly buildArgs?: Readonly<Record<string, string>> | undefined;
  /** Unix milliseconds. */
  readonly startedAt: number;
  readonly finishedAt: number;
}

export interface ProvenanceRecorderOptions {
  readonly engine: DockerEngine;
  readonly store: ProvenanceStore;
  /** Who builds. */
  readonly installId: string;
  /** Versions of our own programs; the engine's is added. */
  readonly versions: Readonly<Record<string, string>>;
}

/** Writes down how images came to be. */
export interface ProvenanceRecorder {
  /** Keeps the statement about an image, named by its id. */
  built(image: BuiltImage, options?: { readonly signal?: AbortSignal }): Promise<JsonObject>;
  /**
   * Puts what is kept of an image beside it in its registry, as an artifact that refers to `reference`
   * (`repository@sha256:…`) and is about that digest. Without a signature: sign it to have others
   * believe it. False when nothing is kept of that image.
   */
  pushed(
    imageId: string,
    reference: string,
    options: { readonly registry: RegistryClient; readonly signal?: AbortSignal | undefined },
  ): Promise<boolean>;
}

export function createProvenanceRecorder(options: ProvenanceRecorderOptions): ProvenanceRecorder {
  const { engine, store, installId, versions } = options;
  return {
    async built(image, { signal } = {}) {
      const inventory = await readInventory(image);
      const { version } = await engine.info({ signal });
      const statement = slsaStatement({
        subject: { names: image.tags, digest: image.imageId },
        source: image.source,
        bases: inventory === undefined ? [] : await resolveBases(engine, inventory, signal),
        builder: {
          id: `urn:molecule:install:${installId}`,
          versions: { ...versions, engine: version },
        },
        dockerfile: inventory && factsOf(inventory),
        parameters: { ...image.parameters, dockerfile: image.dockerfile },
        startedAt: image.startedAt,
        finishedAt: image.finishedAt,
        invocationId: randomUUID(),
      });
      await store.write(image.imageId, statement);
      return statement;
    },

    async pushed(imageId, reference, { registry, signal }) {
      const kept = await store.read(imageId);
      if (kept === undefined) return false;
      const { repository, digest } = parseDigestReference(reference);
      const found = await registry.resolve(reference, { signal });
      if (found === undefined) {
        throw new ImageTrustError("ERR_TRUST_REFERENCE", `The registry has no ${reference}.`, {
          hint: "Push the image first.",
        });
      }
      const statement = {
        _type: "https://in-toto.io/Statement/v1",
        subject: [{ name: repository, digest: { sha256: digest.slice("sha256:".length) } }],
        predicateType: kept.predicateType,
        predicate: kept.predicate,
      };
      await registry.pushReferrer(
        repository,
        {
          subject: { digest: found.digest, mediaType: found.mediaType, sizeBytes: found.sizeBytes },
          artifactType: IN_TOTO_PAYLOAD_TYPE,
          blobs: [
            {
              mediaType: IN_TOTO_PAYLOAD_TYPE,
              source: bytesBlob(Buffer.from(JSON.stringify(statement))),
              annotations: { "in-toto.io/predicate-type": kept.predicateType },
            },
          ],
        },
        { signal },
      );
      return true;
    },
  };
}

function factsOf(inventory: Inventory): DockerfileFacts {
  return {
    bases: basesOf(inventory),
    findings: inventory.findings.map(({ rule, severity, line }) => ({ rule, severity, line })),
  };
}
