import type { Signer } from "@molecule-ai/image-trust";
import type { CommandContext } from "../../run-command.js";
import { CliError } from "../../errors.js";

export interface SigningOptions {
  readonly key?: string | undefined;
  readonly keyless?: boolean | undefined;
  readonly identityTokenFile?: string | undefined;
  readonly hardware?: boolean | undefined;
  readonly transparency?: boolean | undefined;
  readonly insecureRegistry?: boolean | undefined;
}

/** Who signs: what the command line names, else `COSIGN_KEY`, else `cosign.key` of this installation. */
export async function chooseSigner(
  { settings }: Pick<CommandContext, "settings">,
  options: SigningOptions,
): Promise<Signer> {
  if (options.hardware === true) return { kind: "hardware" };
  if (options.keyless === true) {
    return { kind: "keyless", oidc: { tokenFile: options.identityTokenFile } };
  }
  const [{ resolveKey }, { buildSettingsFromEnv }] = await Promise.all([
    import("@molecule-ai/image-trust"),
    import("@molecule-ai/image-build"),
  ]);
  const { env, homeDirectory } = settings;
  const { stateDirectory } = buildSettingsFromEnv(env, { homeDirectory });
  const key = options.key ?? (await resolveKey({ env, stateDirectory }));
  if (key === undefined) {
    throw new CliError("ERR_CLI_OPTION_INVALID", "There is no key to sign with", {
      hint: "Name one with --key or COSIGN_KEY; `cosign generate-key-pair` makes one.",
    });
  }
  if (key.startsWith("pkcs11:")) return { kind: "pkcs11", uri: key };
  return /^[a-z0-9]+:\/\//.test(key) && !key.startsWith("env://")
    ? { kind: "kms", uri: key }
    : { kind: "key", reference: key };
}
