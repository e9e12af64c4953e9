import { access } from "node:fs/promises";
import { join } from "node:path";

export interface KeySearch {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Where this installation keeps its own files. */
  readonly stateDirectory: string;
}

/**
 * The private key to sign with: what `COSIGN_KEY` names, unchecked, because it may be a KMS; else
 * `cosign.key` in the state directory, when there is one. Undefined: nothing is signed.
 */
export async function resolveKey({ env, stateDirectory }: KeySearch): Promise<string | undefined> {
  const named = env["COSIGN_KEY"];
  if (named !== undefined && named !== "") return named;
  const file = join(stateDirectory, "cosign.key");
  return access(file).then(
    () => file,
    () => undefined,
  );
}
