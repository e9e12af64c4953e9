import { ImageTrustError } from "../errors.js";
import type { Signer, SigningOperation, SigningPlan } from "./signer.js";

/**
 * How a cosign is spoken to. `2`: up to 2.5, `--tlog-upload` alone says whether a log is used. `3`:
 * from 2.6 on a signing configuration decides, and has to be switched off to leave the log out.
 */
export type CosignDialect = "2" | "3";

const KMS = /^(?:awskms|gcpkms|azurekms|hashivault|k8s):\/\/\S+$/;

/**
 * The arguments of cosign for a plan: pure, always in the same order, never with a secret in them.
 * Throws `ERR_TRUST_SIGNER` for a signer or an operation that cannot be.
 */
export function cosignArguments(plan: SigningPlan, dialect: CosignDialect): readonly string[] {
  const { operation } = plan;
  return [
    operation.kind === "sign-image" ? "sign" : operation.kind,
    ...signerArguments(plan.signer),
    ...transparencyArguments(plan, dialect),
    ...operationArguments(operation),
    ...(plan.insecureRegistry === true && operation.kind !== "sign-blob"
      ? ["--allow-insecure-registry=true", "--allow-http-registry=true"]
      : []),
    // Without it cosign asks a person; a blob leaves nothing anywhere that one could regret.
    ...(operation.kind === "sign-blob" ? [] : ["--yes"]),
    ...operandOf(operation),
  ];
}

function signerArguments(signer: Signer): string[] {
  switch (signer.kind) {
    case "key":
      return ["--key", keyArgument(signer.reference)];
    case "kms":
      if (!KMS.test(signer.uri)) refuse(`${shown(signer.uri)} is no key of a known service`);
      return ["--key", signer.uri];
    case "pkcs11":
      if (!/^pkcs11:\S+$/.test(signer.uri)) refuse(`${shown(signer.uri)} is no PKCS#11 URI`);
      return ["--key", signer.uri];
    case "hardware":
      return ["--sk", ...(signer.slot === undefined ? [] : ["--slot", word(signer.slot, "slot")])];
    case "keyless": {
      const { issuer, tokenFile } = signer.oidc;
      return [
        ...(issuer === undefined ? [] : ["--oidc-issuer", word(issuer, "issuer")]),
        ...(tokenFile === undefined ? [] : ["--identity-token", word(tokenFile, "token file")]),
      ];
    }
  }
}

/** `env:NAME` becomes cosign's own way of writing it. */
function keyArgument(reference: string): string {
  const variable = /^env:(?:\/\/)?(.*)$/.exec(reference)?.[1];
  if (variable === undefined) return word(reference, "key");
  if (!/^[A-Za-z_]\w*$/.test(variable)) refuse(`${shown(variable)} is no name of a variable`);
  return `env://${variable}`;
}

function transparencyArguments(
  { signer, transparency }: SigningPlan,
  dialect: CosignDialect,
): string[] {
  const instance = signer.kind === "keyless" ? signer.instance : undefined;
  if (instance !== undefined) {
    const log = instance.rekorUrl;
    if (transparency && log === undefined) {
      refuse("a transparency log is wanted, and the sigstore instance names none");
    }
    return [
      ...(dialect === "3" ? ["--use-signing-config=false"] : []),
      "--fulcio-url",
      word(instance.fulcioUrl, "Fulcio URL"),
      ...(transparency ? ["--rekor-url", word(log ?? "", "Rekor URL")] : ["--tlog-upload=false"]),
      // Only the newer ones take it; older ones read SIGSTORE_ROOT_FILE.
      ...(dialect === "3" ? ["--trusted-root", word(instance.trustedRoot, "trusted root")] : []),
    ];
  }
  if (dialect === "2") return transparency ? [] : ["--tlog-upload=false"];
  return transparency
    ? ["--use-signing-config=true", "--new-bundle-format=true"]
    : ["--use-signing-config=false", "--tlog-upload=false"];
}

function operationArguments(operation: SigningOperation): string[] {
  switch (operation.kind) {
    case "sign-image":
      return operation.recursive === true ? ["--recursive"] : [];
    case "attest":
      if (operation.predicate === "" || operation.predicateType === "") {
        refuse("an attestation needs a predicate and its type");
      }
      return [
        "--predicate",
        word(operation.predicate, "predicate"),
        "--type",
        word(operation.predicateType, "predicate type"),
      ];
    case "sign-blob":
      return operation.signatureFile === undefined
        ? []
        : ["--output-signature", word(operation.signatureFile, "signature file")];
  }
}

function operandOf(operation: SigningOperation): string[] {
  const operand = operation.kind === "sign-blob" ? operation.blob : operation.reference;
  return operand === undefined ? [] : [word(operand, "operand")];
}

/** Nothing that cosign could take for an option, and nothing empty. */
function word(text: string, what: string): string {
  if (text === "" || text.startsWith("-") || text.includes("\0")) {
    refuse(`${shown(text)} cannot be a ${what}`);
  }
  return text;
}

function shown(text: string): string {
  return JSON.stringify(text.slice(0, 100));
}

function refuse(reason: string): never {
  throw new ImageTrustError("ERR_TRUST_SIGNER", `Nothing can be signed: ${reason}.`, {
    hint: "Name a cosign private key, env:NAME, a KMS or PKCS#11 URI, a hardware token or an OIDC identity.",
  });
}
