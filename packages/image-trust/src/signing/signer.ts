/** Who signs. A secret key is always named, never held here. */
export type Signer =
  /** A cosign key pair: the path of the private key, or `env:NAME` for one kept in a variable. */
  | { readonly kind: "key"; readonly reference: string }
  /** A key management service: `awskms://…`, `gcpkms://…`, `azurekms://…`, `hashivault://…`, `k8s://…`. */
  | { readonly kind: "kms"; readonly uri: string }
  /** A token through PKCS#11: `pkcs11:…`. */
  | { readonly kind: "pkcs11"; readonly uri: string }
  /** An identity, with a certificate that lives for minutes. */
  | { readonly kind: "keyless"; readonly oidc: OidcIdentity; readonly instance?: SigstoreInstance }
  /** A FIDO2 token in this machine. */
  | { readonly kind: "hardware"; readonly slot?: string | undefined };

export interface OidcIdentity {
  readonly issuer?: string | undefined;
  /** Path of a file with the token; never the token itself, which everybody could read in argv. */
  readonly tokenFile?: string | undefined;
}

/** A sigstore of one's own; without it the public one is used. */
export interface SigstoreInstance {
  readonly fulcioUrl: string;
  /** Undefined to leave out the transparency log. */
  readonly rekorUrl: string | undefined;
  /** Path of the trusted root of that instance. */
  readonly trustedRoot: string;
}

export type SigningOperation =
  | {
      readonly kind: "sign-image";
      /** `repository@sha256:…`; undefined only to look at the options alone. */
      readonly reference?: string | undefined;
      /** Also every image of an index. */
      readonly recursive?: boolean | undefined;
    }
  | {
      readonly kind: "attest";
      readonly reference?: string | undefined;
      /** File with the predicate alone, never with a whole statement or envelope. */
      readonly predicate: string;
      /** `slsaprovenance1`, `cyclonedx`, `spdxjson` or a URI; there is no default. */
      readonly predicateType: string;
    }
  | {
      readonly kind: "sign-blob";
      readonly blob?: string | undefined;
      readonly signatureFile?: string | undefined;
    };

export interface SigningPlan {
  readonly signer: Signer;
  readonly operation: SigningOperation;
  /** Whether the signature is put into a public transparency log. */
  readonly transparency: boolean;
  /** Talk to the registry without TLS, or with a certificate nobody vouches for. */
  readonly insecureRegistry?: boolean | undefined;
}
