import { isAbsolute } from "node:path";
import { ImageTrustError } from "./errors.js";

export interface TrustSettings {
  /** The cosign program. */
  readonly cosignPath: string;
  /** What signs: a path, `env:NAME` or a URI; undefined to look into the state directory. */
  readonly key: string | undefined;
  /** File with the admission policy; undefined for none. */
  readonly policyFile: string | undefined;
}

/**
 * Reads `MOLECULE_COSIGN_PATH` (default `cosign`), `COSIGN_KEY` and `MOLECULE_ADMISSION_POLICY`. Empty
 * counts as unset. Throws `ERR_TRUST_POLICY` for a policy whose path is not absolute: where a program
 * happens to be started must not decide what it admits.
 */
export function trustSettingsFromEnv(
  env: Readonly<Record<string, string | undefined>>,
): TrustSettings {
  const get = (name: string): string | undefined => (env[name] === "" ? undefined : env[name]);
  const policyFile = get("MOLECULE_ADMISSION_POLICY");
  if (policyFile !== undefined && !isAbsolute(policyFile)) {
    throw new ImageTrustError(
      "ERR_TRUST_POLICY",
      `MOLECULE_ADMISSION_POLICY is ${JSON.stringify(policyFile.slice(0, 200))}, which is not an absolute path.`,
      { hint: "Give the whole path of the policy, or unset it." },
    );
  }
  return {
    cosignPath: get("MOLECULE_COSIGN_PATH") ?? "cosign",
    key: get("COSIGN_KEY"),
    policyFile,
  };
}
