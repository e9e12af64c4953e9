import type { ImageVerification, TrustPolicy, VerifiedSigner } from "@molecule-ai/image-trust";
import { openRegistries } from "../../compose-images.js";
import { readAdmissionPolicy } from "../../compose-trust.js";
import { CliError } from "../../errors.js";
import { readNamedFile } from "../../options/text-file.js";
import type { CommandResult } from "../../output/reporter.js";
import type { Style } from "../../output/style.js";
import { formatFields } from "../../output/table.js";
import { requireLocal } from "../../remote/require-server.js";
import type { CommandContext } from "../../run-command.js";

export interface VerifyOptions {
  readonly key: readonly string[];
  readonly credentials?: string | undefined;
}

const LARGEST_KEY_BYTES = 64 * 1024;

/** `trust verify`: exit code 0 only when somebody trusted signed exactly this digest. */
export async function verify(
  context: CommandContext,
  reference: string,
  options: VerifyOptions,
): Promise<CommandResult> {
  requireLocal(context, "trust verify");
  const { requireVerified, verifyImage } = await import("@molecule-ai/image-trust");
  const policy = await choosePolicy(context, options);
  await using registries = await openRegistries(context, [reference], options.credentials);
  const verification = requireVerified(
    await verifyImage(reference, { registry: registries.client, policy, signal: context.signal }),
  );
  return { data: { ...verification }, text: (style) => formatVerification(verification, style) };
}

/** The keys of the command line alone, when there are some; else the policy of this installation. */
async function choosePolicy(context: CommandContext, options: VerifyOptions): Promise<TrustPolicy> {
  if (options.key.length > 0) {
    const { parseTrustPolicy } = await import("@molecule-ai/image-trust");
    const keys = await Promise.all(
      options.key.map(async (path) => {
        const named = {
          option: "--key",
          path,
          cwd: context.settings.cwd,
          maxBytes: LARGEST_KEY_BYTES,
        };
        return { id: path, publicKey: (await readNamedFile(named)).toString("utf8") };
      }),
    );
    return parseTrustPolicy({ keys });
  }
  const { trust } = await readAdmissionPolicy(context);
  if (trust !== undefined) return trust;
  throw new CliError("ERR_CLI_USAGE", "Nothing says whose signatures count", {
    hint: "Give --key with a public key, or a policy with `trust` in MOLECULE_ADMISSION_POLICY.",
  });
}

function formatVerification(verification: ImageVerification, style: Style): string {
  const { reference, signatures, attestations, rejected } = verification;
  const fields: [string, string][] = [
    ["image", reference],
    ["signed by", signatures.map(({ signer }) => formatSigner(signer)).join("\n")],
    [
      "attested",
      attestations
        .map(({ predicateType, signer }) => `${predicateType} by ${formatSigner(signer)}`)
        .join("\n"),
    ],
    ["not counted", rejected.map(({ reason }) => reason).join("\n")],
  ];
  return formatFields(
    fields.filter(([, value]) => value !== ""),
    style.strong,
  );
}

export function formatSigner(signer: VerifiedSigner): string {
  return signer.kind === "key" ? `key ${signer.id}` : `${signer.subject} (${signer.issuer})`;
}
