import fc from "fast-check";
import { randomBytes } from "node:crypto";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  createSecretBox,
  openSecretBox,
  type SealedSecret,
  type SecretPlace,
} from "./secret-box.js";

const WORKSPACE = "7b1f3a3c-1111-4222-8333-444455556666";
const place: SecretPlace = { scope: "workspace", workspaceId: WORKSPACE, key: "API_KEY" };

describe("a sealed secret", () => {
  const box = createSecretBox({ current: randomBytes(32) });

  it("is opened again, whatever text it is", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (value) => {
        expect(box.open(box.seal(value, place), place)).toBe(value);
      }),
    );
  });

  it("differs each time, although the value is the same", () => {
    const [a, b] = [box.seal("value", place), box.seal("value", place)];
    expect(Buffer.from(a.encryptedValue).equals(Buffer.from(b.encryptedValue))).toBe(false);
  });

  it.each<[string, SecretPlace]>([
    ["another name", { ...place, key: "OTHER" }],
    ["another workspace", { ...place, workspaceId: "7b1f3a3c-1111-4222-8333-444455556667" }],
    ["the global secrets", { scope: "global", key: "API_KEY" }],
  ])("cannot be moved to %s", (_where, elsewhere) => {
    expect(box.open(box.seal("value", place), elsewhere)).toBeUndefined();
  });

  it("is opened under the same workspace id in capitals", () => {
    const sealed = box.seal("value", { ...place, workspaceId: WORKSPACE.toUpperCase() });
    expect(box.open(sealed, place)).toBe("value");
  });

  it("cannot be changed in any byte, nor cut short", () => {
    const sealed = box.seal("value", place);
    const bytes = Buffer.from(sealed.encryptedValue);
    for (let index = 0; index < bytes.length; index++) {
      const changed = Buffer.from(bytes);
      changed.writeUInt8(changed.readUInt8(index) ^ 1, index);
      expect(box.open({ ...sealed, encryptedValue: changed }, place)).toBeUndefined();
      const cut = bytes.subarray(0, index);
      expect(box.open({ ...sealed, encryptedValue: cut }, place)).toBeUndefined();
    }
  });

  it("stays closed to a box with another key, and to a version nobody wrote", () => {
    const sealed = box.seal("value", place);
    expect(createSecretBox({ current: randomBytes(32) }).open(sealed, place)).toBeUndefined();
    expect(box.open({ ...sealed, encryptionVersion: 2 }, place)).toBeUndefined();
  });
});

describe("keys of a box", () => {
  it("opens what the previous key sealed, and seals with the current one", () => {
    const [old, current] = [randomBytes(32), randomBytes(32)];
    const sealed = createSecretBox({ current: old }).seal("value", place);
    const box = createSecretBox({ current, previous: [old] });
    expect(box.open(sealed, place)).toBe("value");
    expect(box.seal("value", place).keyId).toBe(box.keyId);
    expect(box.keyId).not.toBe(sealed.keyId);
  });

  it("without a key refuses to seal, and reads what was never encrypted", () => {
    const box = createSecretBox({ current: undefined });
    const plain: SealedSecret = {
      encryptedValue: Buffer.from("from the old platform"),
      encryptionVersion: 0,
      keyId: "",
    };
    expect(box.keyId).toBeUndefined();
    expect(box.open(plain, place)).toBe("from the old platform");
    expect(() => box.seal("value", place)).toThrow(
      expect.objectContaining({ code: "ERR_SECRET_KEY_MISSING" }),
    );
  });
});

describe("the key of a server", () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "secret-key-"));
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));

  const open = (secretsKey?: string, previousSecretsKey?: string, keyDirectory?: string) =>
    openSecretBox({ secretsKey, previousSecretsKey, keyDirectory });

  it("is made once for an embedded database, for its owner only, and found again", async () => {
    const first = await open(undefined, undefined, directory);
    const { mode } = await stat(join(directory, "secrets.key"));
    expect(mode & 0o777).toBe(0o600);
    const second = await open(undefined, undefined, directory);
    expect(second.keyId).toBe(first.keyId);
    expect(second.open(first.seal("value", place), place)).toBe("value");
  });

  it("is not spoilt by a process that died while it made one", async () => {
    await writeFile(join(directory, "secrets.key.new"), "half a ke");
    const box = await open(undefined, undefined, directory);
    expect((await open(undefined, undefined, directory)).keyId).toBe(box.keyId);
  });

  it("kept in the directory still opens its secrets after SECRETS_ENCRYPTION_KEY was set", async () => {
    const sealed = (await open(undefined, undefined, directory)).seal("value", place);
    const box = await open(randomBytes(32).toString("hex"), undefined, directory);
    expect(box.keyId).not.toBe(sealed.keyId);
    expect(box.open(sealed, place)).toBe("value");
  });

  it("is not made for a PostgreSQL, whose other processes would not know it", async () => {
    expect((await open()).keyId).toBeUndefined();
  });

  it.each(["SECRETS_ENCRYPTION_KEY", "SECRETS_ENCRYPTION_KEY_PREVIOUS"])(
    "refuses a %s that is no key without repeating it",
    async (name) => {
      const bad = "hunter2-is-not-a-key";
      const opening =
        name === "SECRETS_ENCRYPTION_KEY" ? open(bad) : open(randomBytes(32).toString("hex"), bad);
      const error = await opening.then(
        () => undefined,
        (thrown: unknown) => thrown as Error & { code: string },
      );
      expect(error?.code).toBe("ERR_SERVER_CONFIG");
      expect(error?.message).toContain(`${name} must be`);
      expect(JSON.stringify(error)).not.toContain("hunter2");
    },
  );

  it("refuses a file that holds no key, and leaves it as it is", async () => {
    await writeFile(join(directory, "secrets.key"), "not a key\n");
    await expect(open(undefined, undefined, directory)).rejects.toMatchObject({
      code: "ERR_SERVER_CONFIG",
      details: { path: join(directory, "secrets.key") },
    });
    expect(await readFile(join(directory, "secrets.key"), "utf8")).toBe("not a key\n");
  });
});
