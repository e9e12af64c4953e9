import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { readPolicyFile } from "./admission/read-policy-file.js";
import { trustSettingsFromEnv } from "./settings.js";

it("reads what is set, and takes empty for unset", () => {
  expect(trustSettingsFromEnv({ COSIGN_KEY: "", MOLECULE_ADMISSION_POLICY: "" })).toEqual({
    cosignPath: "cosign",
    key: undefined,
    policyFile: undefined,
  });
  expect(
    trustSettingsFromEnv({
      MOLECULE_COSIGN_PATH: "/opt/cosign",
      COSIGN_KEY: "env:KEY",
      MOLECULE_ADMISSION_POLICY: "/etc/molecule/admission.json",
    }),
  ).toEqual({
    cosignPath: "/opt/cosign",
    key: "env:KEY",
    policyFile: "/etc/molecule/admission.json",
  });
});

it("refuses a policy that depends on where the program was started", () => {
  expect(() => trustSettingsFromEnv({ MOLECULE_ADMISSION_POLICY: "policy.json" })).toThrow(
    expect.objectContaining({ code: "ERR_TRUST_POLICY" }),
  );
});

it("admits nothing by a policy that cannot be read", async () => {
  const directory = await mkdtemp(join(tmpdir(), "molecule-policy-"));
  try {
    const file = join(directory, "policy.json");
    const code = "ERR_TRUST_POLICY";
    await expect(readPolicyFile(file)).rejects.toMatchObject({
      code,
      message: expect.stringContaining("cannot be read"),
    });
    await writeFile(file, "{");
    await expect(readPolicyFile(file)).rejects.toMatchObject({
      code,
      message: expect.stringContaining("is no JSON"),
    });
    await writeFile(file, '{"rules":{"sined":true}}');
    await expect(readPolicyFile(file)).rejects.toMatchObject({ code });
    await expect(readPolicyFile(directory)).rejects.toMatchObject({ code });
    await writeFile(file, '{"rules":{"provenance":true}}');
    expect(await readPolicyFile(file)).toMatchObject({
      effect: "refuse",
      rules: { provenance: true },
    });
  } finally {
    await rm(directory, { recursive: true });
  }
});
