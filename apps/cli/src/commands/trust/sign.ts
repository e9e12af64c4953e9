import { openCosign } from "../../compose-trust.js";
import type { CommandResult } from "../../output/reporter.js";
import { requireLocal } from "../../remote/require-server.js";
import type { CommandContext } from "../../run-command.js";
import { chooseSigner, type SigningOptions } from "./signing-options.js";

/** `trust sign`: with cosign and Docker's credentials. */
export async function sign(
  context: CommandContext,
  reference: string,
  options: SigningOptions & { readonly recursive?: boolean | undefined },
): Promise<CommandResult> {
  requireLocal(context, "trust sign");
  const { formatDigestReference, parseDigestReference } = await import("@molecule-ai/image-trust");
  const image = formatDigestReference(parseDigestReference(reference));
  const signer = await chooseSigner(context, options);
  const cosign = await openCosign(context);
  await cosign.sign(
    {
      signer,
      operation: { kind: "sign-image", reference: image, recursive: options.recursive },
      transparency: options.transparency ?? false,
      insecureRegistry: options.insecureRegistry,
    },
    { signal: context.signal },
  );
  return { data: { reference: image, signer: signer.kind }, text: () => `signed ${image}` };
}
