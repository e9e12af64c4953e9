import type { ImageVerification } from "../verification/verify-image.js";
import type { Severity } from "./admission-policy.js";

/** What is known of an image when it is asked whether a workspace may start from it. */
export interface ImageFacts {
  /** As the workspace is to use it. */
  readonly reference: string;
  /** `sha256:…` as the engine names it. */
  readonly imageId: string;
  /** Of the manifest, for an image from a registry. */
  readonly digest: string | undefined;
  /** The repository it was built from, or was pulled from. */
  readonly source: string | undefined;
  /** How this installation came by it; undefined for an image that was simply there. */
  readonly origin: "built" | "pulled" | undefined;
  /** Unix milliseconds. */
  readonly createdAt: number | undefined;
  /** Base images as its Dockerfile writes them; undefined when the Dockerfile is not known. */
  readonly bases: readonly string[] | undefined;
  /** Findings on its Dockerfile; undefined when it is not known. */
  readonly findings:
    | readonly { readonly rule: string; readonly severity: Severity; readonly line: number }[]
    | undefined;
  /** Undefined when nobody looked for signatures. */
  readonly verification: ImageVerification | undefined;
  /** Whether a statement about exactly this image says how it was built. */
  readonly hasProvenance: boolean;
}
