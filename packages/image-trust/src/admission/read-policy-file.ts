import { open } from "node:fs/promises";
import { ImageTrustError } from "../errors.js";
import { parseAdmissionPolicy, type AdmissionPolicy } from "./admission-policy.js";

const LARGEST_POLICY_BYTES = 4 * 1024 * 1024;

/**
 * The policy in a JSON file. Throws `ERR_TRUST_POLICY` for a file that cannot be read, too: an
 * installation that was told to admit by a policy admits nothing without it.
 */
export async function readPolicyFile(file: string): Promise<AdmissionPolicy> {
  const refuse = (reason: string, cause?: unknown): ImageTrustError =>
    new ImageTrustError("ERR_TRUST_POLICY", `The admission policy ${file} ${reason}.`, {
      hint: "Correct the file, or unset MOLECULE_ADMISSION_POLICY; docs/trust.md shows a whole one.",
      ...(cause === undefined ? {} : { cause }),
    });
  let text: string;
  try {
    await using handle = await open(file);
    const { size } = await handle.stat();
    if (size > LARGEST_POLICY_BYTES) throw refuse(`has ${size} bytes, which none has`);
    text = await handle.readFile("utf8");
  } catch (error) {
    throw error instanceof ImageTrustError ? error : refuse("cannot be read", error);
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw refuse("is no JSON", error);
  }
  return parseAdmissionPolicy(value);
}
