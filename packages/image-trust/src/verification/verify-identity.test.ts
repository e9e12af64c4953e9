import { createHash, generateKeyPairSync, sign } from "node:crypto";
import { initializeCA, initializeTLog } from "@sigstore/mock";
import { beforeAll, describe, expect, it } from "vitest";
import { parseTrustPolicy, type TrustPolicy } from "../policy/trust-policy.js";
import type { SignedThing } from "./signed-thing.js";
import { toBundles } from "./to-bundles.js";
import { verifyBundle, type BundleVerdict } from "./verify-bundle.js";

const ISSUER = "https://issuer.example.com";
const SUBJECT = "https://git.example.com/team/app/workflow@main";
const ISSUER_OID = "1.3.6.1.4.1.57264.1.8";
const PAYLOAD = Buffer.from("what was signed");

interface LogEntry {
  readonly body: string;
  readonly integratedTime: number;
  readonly logIndex: number;
  readonly logID: string;
  readonly verification: { readonly signedEntryTimestamp: string };
}

const ecPair = () => generateKeyPairSync("ec", { namedCurve: "P-256" });

/**
 * A sigstore of our own: an authority and a log of signatures, by sigstore's own test library. Its
 * certificates are in no log of certificates.
 */
async function createSigstore() {
  const authority = await initializeCA(ecPair());
  const log = await initializeTLog("https://rekor.example.com", ecPair());
  const since = { start: "2020-01-01T00:00:00Z" };
  const logOf = (publicKey: Buffer, keyId: Buffer) => ({
    baseUrl: "https://log.example.com",
    hashAlgorithm: "SHA2_256",
    publicKey: {
      rawBytes: publicKey.toString("base64"),
      keyDetails: "PKIX_ECDSA_P256_SHA_256",
      validFor: since,
    },
    logId: { keyId: keyId.toString("base64") },
  });
  const trustedRoot = {
    mediaType: "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
    tlogs: [logOf(log.publicKey, createHash("sha256").update(log.publicKey).digest())],
    ctlogs: [] as unknown[],
    certificateAuthorities: [
      {
        subject: { organization: "example", commonName: "example" },
        uri: "https://fulcio.example.com",
        certChain: { certificates: [{ rawBytes: authority.rootCertificate.toString("base64") }] },
        validFor: since,
      },
    ],
    timestampAuthorities: [],
  };
  return {
    trustedRoot,
    /** What a cosign that signs with an identity leaves beside an image. */
    async sign(payload: Buffer, { logged = true } = {}): Promise<SignedThing> {
      const { publicKey, privateKey } = ecPair();
      const der = await authority.issueCertificate({
        publicKey: publicKey.export({ format: "der", type: "spki" }),
        subjectAltName: SUBJECT,
        extensions: [{ oid: ISSUER_OID, value: ISSUER }],
      });
      const certificate = `-----BEGIN CERTIFICATE-----\n${der.toString("base64")}\n-----END CERTIFICATE-----\n`;
      const signature = sign("sha256", payload, privateKey);
      const [entry] = Object.values<LogEntry>(
        (await log.log({
          apiVersion: "0.0.1",
          kind: "hashedrekord",
          spec: {
            data: {
              hash: {
                algorithm: "sha256",
                value: createHash("sha256").update(payload).digest("hex"),
              },
            },
            signature: {
              content: signature.toString("base64"),
              publicKey: { content: Buffer.from(certificate).toString("base64") },
            },
          },
        })) as unknown as Record<string, LogEntry>,
      );
      const logEntry = {
        SignedEntryTimestamp: entry?.verification?.signedEntryTimestamp,
        Payload: {
          body: entry?.body,
          integratedTime: entry?.integratedTime,
          logIndex: entry?.logIndex,
          logID: entry?.logID,
        },
      };
      return {
        kind: "signature",
        payload,
        signature,
        proof: { certificate, logEntry: logged ? logEntry : undefined },
        origin: "test",
      };
    },
  };
}

function judge(thing: SignedThing, policy: TrustPolicy): BundleVerdict {
  const [readable] = toBundles(thing);
  if (readable === undefined) throw new Error("not readable");
  return verifyBundle(readable, policy);
}

describe("signatures of identities", () => {
  let sigstore: Awaited<ReturnType<typeof createSigstore>>;
  let thing: SignedThing;
  beforeAll(async () => {
    sigstore = await createSigstore();
    thing = await sigstore.sign(PAYLOAD);
  });
  const policyOf = (subject: string, issuer = ISSUER): TrustPolicy =>
    parseTrustPolicy({ identities: [{ issuer, subject }], trustedRoot: sigstore.trustedRoot });

  it("count when issuer and subject are trusted, exactly or by a prefix", () => {
    const signer = { kind: "identity", issuer: ISSUER, subject: SUBJECT };
    expect(judge(thing, policyOf(SUBJECT))).toEqual({ kind: "verified", signer });
    expect(judge(thing, policyOf("https://git.example.com/team/*"))).toEqual({
      kind: "verified",
      signer,
    });
  });

  it("do not count for another subject, or the same subject of another issuer", () => {
    expect(judge(thing, policyOf("https://git.example.com/other"))).toMatchObject({
      kind: "rejected",
      reason: expect.stringContaining(SUBJECT),
    });
    expect(judge(thing, policyOf(SUBJECT, "https://evil.example.com")).kind).toBe("rejected");
  });

  it("do not count over other bytes", () => {
    const changed = { ...thing, payload: Buffer.from("something else") } as SignedThing;
    expect(judge(changed, policyOf(SUBJECT)).kind).toBe("rejected");
  });

  it("do not count without a time that somebody vouches for", async () => {
    const unlogged = await sigstore.sign(PAYLOAD, { logged: false });
    expect(judge(unlogged, policyOf(SUBJECT))).toMatchObject({
      kind: "rejected",
      reason: expect.stringContaining("timestamp"),
    });
  });

  it("do not count when the root knows a log of certificates, and theirs is in none", () => {
    const { trustedRoot } = sigstore;
    const wary = { ...trustedRoot, ctlogs: trustedRoot.tlogs };
    const identities = [{ issuer: ISSUER, subject: SUBJECT }];
    expect(judge(thing, parseTrustPolicy({ identities, trustedRoot: wary }))).toMatchObject({
      kind: "rejected",
      reason: expect.stringContaining("SCT"),
    });
  });

  it("do not count when another sigstore vouches for them", async () => {
    const other = await createSigstore();
    expect(judge(await other.sign(PAYLOAD), policyOf(SUBJECT)).kind).toBe("rejected");
  });

  it("do not count where only keys are trusted", () => {
    const pem = ecPair().publicKey.export({ type: "spki", format: "pem" }).toString();
    const policy = parseTrustPolicy({ keys: [{ id: "a", publicKey: pem }] });
    expect(judge(thing, policy)).toMatchObject({ kind: "rejected" });
  });
});

describe("signatures of keys", () => {
  const { publicKey, privateKey } = ecPair();
  const pem = publicKey.export({ type: "spki", format: "pem" }).toString();
  const thing: SignedThing = {
    kind: "signature",
    payload: PAYLOAD,
    signature: sign("sha256", PAYLOAD, privateKey),
    proof: { certificate: undefined, logEntry: undefined },
    origin: "test",
  };

  it("count without a log, unless the policy wants one", () => {
    const keys = [{ id: "a", publicKey: pem }];
    expect(judge(thing, parseTrustPolicy({ keys }))).toEqual({
      kind: "verified",
      signer: { kind: "key", id: "a" },
    });
    expect(judge(thing, parseTrustPolicy({ keys, transparency: true })).kind).toBe("rejected");
  });

  it("count in an envelope over all of its type and content", () => {
    const payloadType = "application/vnd.in-toto+json";
    const encoded = Buffer.from(
      `DSSEv1 ${payloadType.length} ${payloadType} ${PAYLOAD.length} ${PAYLOAD.toString()}`,
    );
    const signatures = [Buffer.from("junk"), sign("sha256", encoded, privateKey)];
    const bundles = toBundles({
      kind: "envelope",
      envelope: { payloadType, payload: PAYLOAD, signatures },
      proof: { certificate: undefined, logEntry: undefined },
      origin: "test",
    });
    const policy = parseTrustPolicy({ keys: [{ id: "a", publicKey: pem }] });
    expect(bundles.map((bundle) => verifyBundle(bundle, policy).kind)).toEqual([
      "rejected",
      "verified",
    ]);
  });

  it("are nothing when they cannot be read", () => {
    const certificate = "no certificate";
    expect(toBundles({ ...thing, proof: { certificate, logEntry: undefined } })).toEqual([]);
    expect(toBundles({ kind: "bundle", json: { mediaType: "x" }, origin: "test" })).toEqual([]);
    expect(toBundles({ kind: "bundle", json: undefined, origin: "test" })).toEqual([]);
  });
});
