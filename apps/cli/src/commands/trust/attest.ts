import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { openRegistryClient } from "../../compose-registry.js";
import { openCosign, openProvenanceStore } from "../../compose-trust.js";
import { CliError } from "../../errors.js";
import type { CommandResult } from "../../output/reporter.js";
import { requireLocal } from "../../remote/require-server.js";
import type { CommandContext } from "../../run-command.js";
import { chooseSigner, type SigningOptions } from "./signing-options.js";

export interface AttestOptions extends SigningOptions {
  readonly predicate?: string | undefined;
  readonly type?: string | undefined;
}

/** `trust attest`: a predicate of one's own, or the provenance that was kept when the image was built. */
export async function attest(
  context: CommandContext,
  reference: string,
  options: AttestOptions,
): Promise<CommandResult> {
  requireLocal(context, "trust attest");
  const { formatDigestReference, parseDigestReference } = await import("@molecule-ai/image-trust");
  const image = formatDigestReference(parseDigestReference(reference));
  if ((options.predicate === undefined) !== (options.type === undefined)) {
    throw new CliError("ERR_CLI_USAGE", "--predicate and --type go together", {
      hint: "Give both, or neither to attest the provenance that was kept of the build.",
    });
  }
  const signer = await chooseSigner(context, options);
  const cosign = await openCosign(context);
  const directory = await mkdtemp(join(context.settings.temporaryDirectory, "molecule-attest-"));
  try {
    const predicate = options.predicate ?? (await keptProvenance(context, image, directory));
    const predicateType = options.type ?? "slsaprovenance1";
    await cosign.sign(
      {
        signer,
        operation: { kind: "attest", reference: image, predicate, predicateType },
        transparency: options.transparency ?? false,
        insecureRegistry: options.insecureRegistry,
      },
      { signal: context.signal },
    );
    return {
      data: { reference: image, predicateType, signer: signer.kind },
      text: () => `attested ${predicateType} of ${image}`,
    };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** A file with the predicate that was written down when this image was built. */
async function keptProvenance(
  context: CommandContext,
  reference: string,
  directory: string,
): Promise<string> {
  const kept = await findKept(context, reference);
  if (kept === undefined) {
    throw new CliError("ERR_CLI_PATH_NOT_FOUND", `No provenance of ${reference} is kept here`, {
      hint: "Attest where the image was built and pushed from, or give --predicate and --type.",
    });
  }
  const file = join(directory, "predicate.json");
  await writeFile(file, JSON.stringify(kept.predicate), { mode: 0o600 });
  return file;
}

/** By what its builder knew it as: the digest of its configuration, or on some engines its own. */
async function findKept(context: CommandContext, reference: string) {
  const { parseManifest } = await import("@molecule-ai/registry-client");
  const store = await openProvenanceStore(context);
  await using registry = await openRegistryClient(context);
  const { digest, json } = await registry.manifest(reference, { signal: context.signal });
  const manifest = parseManifest(json);
  const byConfig =
    manifest?.kind === "image" ? await store.read(manifest.config.digest) : undefined;
  return byConfig ?? (await store.read(digest));
}
