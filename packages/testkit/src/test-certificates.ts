import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { skipOrThrow } from "./skip.js";
import { findOnPath, type FoundProgram } from "./test-programs.js";

/** A server's own certificate and the authority it knows clients by. */
export interface ServerCertificate {
  readonly ca: Buffer;
  readonly cert: Buffer;
  readonly key: Buffer;
}

const NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-days", "2"];

/** openssl, which makes the certificates; with `openssl` in `MOLECULE_TEST_REQUIRE` it throws without. */
export async function findOpenssl(): Promise<FoundProgram> {
  const file = await findOnPath("openssl");
  if (file !== undefined) return { file, skip: undefined };
  const reason = "no openssl on PATH (on Debian: apt-get install openssl)";
  return { file: undefined, skip: skipOrThrow("openssl", reason) };
}

/**
 * Makes an authority of its own, and by it a certificate for 127.0.0.1 and localhost, and one for a
 * client. `ca.pem`, `cert.pem` and `key.pem` of the client stay in `directory`; the server's are
 * returned, and the authority's key is gone.
 */
export async function createTestCertificates(directory: string): Promise<ServerCertificate> {
  const { file: openssl, skip } = await findOpenssl();
  if (openssl === undefined) throw new Error(skip);
  const at = (name: string): string => join(directory, name);
  const authority = ["-CA", at("ca.pem"), "-CAkey", at("ca-key.pem")];
  const issue = async (
    name: string,
    key: string,
    cert: string,
    ...more: string[]
  ): Promise<void> => {
    const files = ["-keyout", at(key), "-out", at(cert)];
    await execa(openssl, ["req", "-x509", ...NEW_KEY, "-subj", `/CN=${name}`, ...files, ...more]);
  };
  const leaf = [...authority, "-addext", "basicConstraints=critical,CA:FALSE"];
  await issue("molecule test authority", "ca-key.pem", "ca.pem");
  await issue(
    "localhost",
    "server-key.pem",
    "server.pem",
    ...leaf,
    "-addext",
    "subjectAltName=IP:127.0.0.1,DNS:localhost",
  );
  await issue("molecule test client", "key.pem", "cert.pem", ...leaf);
  const [ca, cert, key] = await Promise.all(
    ["ca.pem", "server.pem", "server-key.pem"].map((name) => readFile(at(name))),
  );
  await Promise.all(["ca-key.pem", "server.pem", "server-key.pem"].map((name) => rm(at(name))));
  if (ca === undefined || cert === undefined || key === undefined)
    throw new Error("no certificate");
  return { ca, cert, key };
}
