import { createPrivateKey, X509Certificate, type KeyObject } from "node:crypto";
import { readFile } from "node:fs/promises";
import { posix } from "node:path";

/** What a client of a BuildKit daemon shows and believes. */
export interface TlsFiles {
  readonly ca: Buffer;
  readonly cert: Buffer;
  readonly key: Buffer;
}

/** The files as they are, or why they are of no use: one reason for each. */
export type TlsFilesResult =
  | { readonly kind: "read"; readonly files: TlsFiles }
  | { readonly kind: "unusable"; readonly reasons: readonly string[] };

const PARTS = ["ca", "cert", "key"] as const;

/** Where each part lies in a directory of certificates. */
export function tlsPath(directory: string, part: (typeof PARTS)[number]): string {
  return posix.join(directory, `${part}.pem`);
}

/** Reads ca.pem, cert.pem and key.pem; none of them is optional. Never throws. */
export async function readTlsFiles(directory: string): Promise<TlsFilesResult> {
  const files: Partial<Record<(typeof PARTS)[number], Buffer>> = {};
  const reasons: string[] = [];
  for (const part of PARTS) {
    const path = tlsPath(directory, part);
    try {
      files[part] = await readFile(path);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      const isAbsent = code === "ENOENT" || code === "ENOTDIR";
      reasons.push(isAbsent ? `${path} is missing` : `${path} cannot be read (${code ?? "error"})`);
    }
  }
  const { ca, cert, key } = files;
  if (ca === undefined || cert === undefined || key === undefined) {
    return { kind: "unusable", reasons };
  }
  const at = (part: (typeof PARTS)[number]): string => tlsPath(directory, part);
  const wrong = [
    ...judgeCertificate(at("ca"), ca),
    ...judgeCertificate(at("cert"), cert),
    ...judgeKey({ path: at("key"), pem: key }, { path: at("cert"), pem: cert }),
  ];
  return wrong.length > 0
    ? { kind: "unusable", reasons: wrong }
    : { kind: "read", files: { ca, cert, key } };
}

interface PemFile {
  readonly path: string;
  readonly pem: Buffer;
}

function judgeKey(key: PemFile, cert: PemFile): readonly string[] {
  let privateKey: KeyObject;
  try {
    privateKey = createPrivateKey(key.pem);
  } catch {
    return [`${key.path} is no private key in PEM form, or has a passphrase`];
  }
  try {
    const isPair = new X509Certificate(cert.pem).checkPrivateKey(privateKey);
    return isPair ? [] : [`${key.path} does not belong to ${cert.path}`];
  } catch {
    // Said of the certificate itself.
    return [];
  }
}

function judgeCertificate(path: string, pem: Buffer): readonly string[] {
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(pem);
  } catch {
    return [`${path} is no certificate in PEM form`];
  }
  const from = Date.parse(certificate.validFrom);
  const to = Date.parse(certificate.validTo);
  if (Date.now() > to) return [`${path} expired on ${new Date(to).toISOString().slice(0, 10)}`];
  if (Date.now() < from) {
    return [`${path} is not valid before ${new Date(from).toISOString().slice(0, 10)}`];
  }
  return [];
}
