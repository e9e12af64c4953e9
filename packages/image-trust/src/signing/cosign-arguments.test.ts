import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ImageTrustError } from "../errors.js";
import { cosignArguments } from "./cosign-arguments.js";
import type { Signer, SigningOperation } from "./signer.js";

const REFERENCE = `r.io/a@sha256:${"a".repeat(64)}`;
const image: SigningOperation = { kind: "sign-image", reference: REFERENCE };

describe("cosignArguments", () => {
  it("leaves the log out with the one option that older cosigns know", () => {
    expect(
      cosignArguments(
        { signer: { kind: "key", reference: "k.key" }, operation: image, transparency: false },
        "2",
      ),
    ).toEqual(["sign", "--key", "k.key", "--tlog-upload=false", "--yes", REFERENCE]);
  });

  it("switches the signing configuration off for newer ones", () => {
    expect(
      cosignArguments({ signer: { kind: "hardware" }, operation: image, transparency: false }, "3"),
    ).toEqual([
      "sign",
      "--sk",
      "--use-signing-config=false",
      "--tlog-upload=false",
      "--yes",
      REFERENCE,
    ]);
  });

  it("never puts the key of a variable into the arguments, only its name", () => {
    const args = cosignArguments(
      {
        signer: { kind: "key", reference: "env:SIGNING_KEY" },
        operation: image,
        transparency: false,
      },
      "2",
    );
    expect(args.slice(0, 3)).toEqual(["sign", "--key", "env://SIGNING_KEY"]);
  });

  it("signs every image of an index only when asked, and never when attesting", () => {
    const plan = { signer: { kind: "key", reference: "k" }, transparency: false } as const;
    expect(cosignArguments({ ...plan, operation: { ...image, recursive: true } }, "2")).toContain(
      "--recursive",
    );
    expect(
      cosignArguments(
        {
          ...plan,
          operation: {
            kind: "attest",
            reference: REFERENCE,
            predicate: "p.json",
            predicateType: "slsaprovenance1",
          },
        },
        "2",
      ),
    ).toEqual([
      "attest",
      "--key",
      "k",
      "--tlog-upload=false",
      "--predicate",
      "p.json",
      "--type",
      "slsaprovenance1",
      "--yes",
      REFERENCE,
    ]);
  });

  it.each<[string, Signer, SigningOperation]>([
    ["a key that looks like an option", { kind: "key", reference: "--output" }, image],
    ["no key", { kind: "key", reference: "" }, image],
    ["a variable that is none", { kind: "key", reference: "env:a b" }, image],
    ["a KMS nobody knows", { kind: "kms", uri: "ftp://key" }, image],
    ["a PKCS#11 URI that is none", { kind: "pkcs11", uri: "token" }, image],
    [
      "a predicate without its type",
      { kind: "key", reference: "k" },
      { kind: "attest", predicate: "p", predicateType: "" },
    ],
    [
      "an operand that looks like an option",
      { kind: "key", reference: "k" },
      { kind: "sign-image", reference: "-f" },
    ],
  ])("refuses %s", (_, signer, operation) => {
    expect(() => cosignArguments({ signer, operation, transparency: false }, "2")).toThrow(
      ImageTrustError,
    );
  });

  it("gives arguments or an error of ours for any text, and only operands at the end", () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), fc.constantFrom("2", "3"), (key, operand, dialect) => {
        try {
          const args = cosignArguments(
            {
              signer: { kind: "key", reference: key },
              operation: { kind: "sign-image", reference: operand },
              transparency: false,
            },
            dialect as "2" | "3",
          );
          expect(args.at(-1)).toBe(operand);
          expect(args[2]?.startsWith("-")).toBe(false);
        } catch (error) {
          expect(error).toMatchObject({ code: "ERR_TRUST_SIGNER" });
        }
      }),
    );
  });
});
