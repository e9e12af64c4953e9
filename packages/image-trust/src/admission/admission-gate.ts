import { LABELS, systemClock, type Clock } from "@molecule-ai/core";
import type { DockerEngine, ImageInfo } from "@molecule-ai/docker-engine";
import type { RegistryClient } from "@molecule-ai/registry-client";
import { parseImageReference, type ResolvedImage } from "@molecule-ai/registry-mode";
import type { ProvenanceStore } from "../provenance/provenance-store.js";
import { provenanceFault, readProvenance, type Provenance } from "../provenance/read-provenance.js";
import { verifyImage, type ImageVerification } from "../verification/verify-image.js";
import type { AdmissionPolicy } from "./admission-policy.js";
import { admit, requireAdmitted, rulesFor, type AdmissionVerdict } from "./admit.js";
import type { ImageFacts } from "./image-facts.js";

export interface AdmissionGateOptions {
  readonly engine: DockerEngine;
  readonly policy: AdmissionPolicy;
  /** Whose images count as built here. */
  readonly installId: string;
  readonly provenance: ProvenanceStore;
  /** Asked for signatures, when a rule wants them; without it nothing is signed. */
  readonly registry?: RegistryClient | undefined;
  readonly clock?: Clock | undefined;
}

export interface GateQuestion {
  readonly tier: 1 | 2 | 3 | 4;
  readonly image: ResolvedImage;
  /** True for an image that was named, not the one of a runtime. */
  readonly isNamed: boolean;
  /**
   * What a registry calls it, `repository@sha256:…`, when its own name does not say; null when its name
   * means no registry at all.
   */
  readonly pushedAs?: string | null | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Gathers what is known of an image and judges it. */
export interface AdmissionGate {
  /** The verdict, also one that refuses. Rejects when engine or registry do not answer. */
  judge(question: GateQuestion): Promise<AdmissionVerdict>;
  /** The verdict of an image that may be started; throws `ERR_TRUST_REFUSED` for every other. */
  admit(
    question: GateQuestion,
  ): Promise<AdmissionVerdict & { readonly decision: "allowed" | "warned" }>;
}

export function createAdmissionGate(options: AdmissionGateOptions): AdmissionGate {
  const clock = options.clock ?? systemClock;
  const judge: AdmissionGate["judge"] = async (question) => {
    const facts = await gatherFacts(options, question);
    return admit({ facts, policy: options.policy, tier: question.tier, now: clock.now() });
  };
  return {
    judge,
    async admit(question) {
      const verdict = requireAdmitted(await judge(question), question.image.ref);
      return { ...verdict, decision: verdict.decision === "warned" ? "warned" : "allowed" };
    },
  };
}

async function gatherFacts(
  options: AdmissionGateOptions,
  { image, tier, isNamed, pushedAs, signal }: GateQuestion,
): Promise<ImageFacts> {
  const { engine, policy } = options;
  const found = await engine.images.inspect(image.imageId, { signal });
  const digested = digestedReference(image, pushedAs, found);
  const rules = rulesFor(policy, tier);
  const verification =
    rules.signed === true || rules.provenance === true
      ? await verify(options, digested, signal)
      : undefined;
  const kept = await keptProvenance(options.provenance, image.imageId);
  const isBuilt = !isNamed && found?.labels[LABELS.builtBy] === options.installId;
  return {
    reference: image.ref,
    imageId: image.imageId,
    digest: digested?.digest,
    source: image.source ?? digested?.repository,
    origin: isBuilt ? "built" : digested === undefined ? undefined : "pulled",
    // An image that can be built again carries the time of its source.
    createdAt: momentOf(kept?.finishedAt) ?? found?.createdAt,
    bases: kept?.dockerfile?.bases,
    findings: kept?.dockerfile?.findings,
    verification,
    hasProvenance: kept !== undefined || attestsProvenance(verification, policy),
  };
}

/** The registry's name of the image: as it was pulled now, or as the engine remembers. */
function digestedReference(
  image: ResolvedImage,
  pushedAs: string | null | undefined,
  found: ImageInfo | undefined,
): { readonly repository: string; readonly digest: string } | undefined {
  const own = image.digest === undefined ? undefined : `${repositoryOf(image.ref)}@${image.digest}`;
  const named = pushedAs === undefined ? own : pushedAs;
  for (const text of [named ?? [], found?.digests ?? []].flat()) {
    try {
      const { domain, path, digest } = parseImageReference(text);
      if (digest !== undefined) return { repository: `${domain}/${path}`, digest };
    } catch {
      // A name that is none names no repository either.
    }
  }
  return undefined;
}

function momentOf(text: string | undefined): number | undefined {
  const moment = text === undefined ? Number.NaN : Date.parse(text);
  return Number.isNaN(moment) ? undefined : moment;
}

function repositoryOf(reference: string): string {
  const { domain, path } = parseImageReference(reference);
  return `${domain}/${path}`;
}

async function verify(
  { registry, policy }: AdmissionGateOptions,
  digested: { readonly repository: string; readonly digest: string } | undefined,
  signal: AbortSignal | undefined,
): Promise<ImageVerification | undefined> {
  if (registry === undefined || policy.trust === undefined || digested === undefined) {
    return undefined;
  }
  const reference = `${digested.repository}@${digested.digest}`;
  return verifyImage(reference, { registry, policy: policy.trust, signal });
}

async function keptProvenance(
  store: ProvenanceStore,
  imageId: string,
): Promise<Provenance | undefined> {
  if (!/^sha256:[0-9a-f]{64}$/.test(imageId)) return undefined;
  const statement = await store.read(imageId);
  return statement && readProvenance(statement.predicateType, statement.predicate);
}

function attestsProvenance(
  verification: ImageVerification | undefined,
  policy: AdmissionPolicy,
): boolean {
  const { trust } = policy;
  if (trust === undefined) return false;
  return (verification?.attestations ?? []).some(({ predicateType, predicate }) => {
    const provenance = readProvenance(predicateType, predicate);
    return provenance !== undefined && provenanceFault(provenance, trust) === undefined;
  });
}
