import type { Signer } from "./signer.js";

type Environment = Readonly<Record<string, string | undefined>>;

/** What every cosign gets: where programs and homes are, and how the network is reached. */
const BASE = [
  "PATH",
  "HOME",
  "TMPDIR",
  "HTTP_PROXY",
  "HTTPS_PROXY",
  "NO_PROXY",
  "http_proxy",
  "https_proxy",
  "no_proxy",
  "SSL_CERT_FILE",
  "SSL_CERT_DIR",
];

/** Accounts of the services that keep keys, and nothing else of the caller's environment. */
const KMS = /^(?:AWS|GOOGLE|GCP|CLOUDSDK|AZURE|VAULT|KUBE|TRANSIT|PKCS11|COSIGN_PKCS11)_/;
const OIDC = /^(?:SIGSTORE|FULCIO|REKOR|TUF|ACTIONS_ID_TOKEN|GITHUB|CI_JOB|BUILDKITE|SPIFFE)_/;

/**
 * The whole environment of a cosign: as little as its way of signing needs, so that a key of one
 * kind never meets the accounts of another. `COSIGN_PASSWORD` is always there, empty if need be: with
 * no password cosign would ask a terminal.
 */
export function cosignEnvironment(
  signer: Pick<Signer, "kind"> & { readonly reference?: string },
  env: Environment,
  { dockerConfig }: { readonly dockerConfig?: string | undefined } = {},
): Readonly<Record<string, string>> {
  const picked: Record<string, string> = {};
  for (const [name, value] of Object.entries(env)) {
    if (value !== undefined && isWanted(signer, name)) picked[name] = value;
  }
  const config = dockerConfig ?? env["DOCKER_CONFIG"];
  return {
    ...picked,
    COSIGN_YES: "1",
    COSIGN_PASSWORD: env["COSIGN_PASSWORD"] ?? "",
    ...(config === undefined || config === "" ? {} : { DOCKER_CONFIG: config }),
  };
}

function isWanted(
  signer: Pick<Signer, "kind"> & { readonly reference?: string },
  name: string,
): boolean {
  if (BASE.includes(name)) return true;
  switch (signer.kind) {
    case "key":
      return signer.reference?.replace(/^env:(?:\/\/)?/, "") === name;
    case "kms":
    case "pkcs11":
      return KMS.test(name);
    case "keyless":
      return OIDC.test(name);
    case "hardware":
      // A token is reached through whatever this session of the person has.
      return true;
  }
}
