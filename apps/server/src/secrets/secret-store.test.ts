import { createRedactor, type Redactor } from "@molecule-ai/core";
import { eq } from "drizzle-orm";
import { randomBytes, randomUUID } from "node:crypto";
import { readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { makeStateDirectory } from "../../test/support/state-directory.js";
import type { Logger } from "../logger.js";
import { openStore, type Store } from "../store/open-store.js";
import { globalSecrets, workspaces, workspaceSecrets } from "../store/schema.js";
import { resealSecrets } from "./reseal.js";
import { createSecretBox } from "./secret-box.js";
import { createSecretStore, type SecretStore } from "./secret-store.js";

const silent: Logger = { debug() {}, info() {}, warn() {}, error() {} };
const key = randomBytes(32);

let directory: string;
let store: Store;
let redactor: Redactor;
let secrets: SecretStore;
let workspaceId: string;

beforeAll(async () => {
  directory = await makeStateDirectory();
  store = await openStore({ databaseUrl: undefined, stateDirectory: directory, logger: silent });
}, 60_000);
afterAll(async () => {
  await store[Symbol.asyncDispose]();
  await rm(directory, { recursive: true, force: true });
});
beforeEach(async () => {
  await store.db.delete(workspaces);
  await store.db.delete(globalSecrets);
  redactor = createRedactor();
  secrets = createSecretStore({ box: createSecretBox({ current: key }), redactor });
  workspaceId = await insertWorkspace();
});

async function insertWorkspace(): Promise<string> {
  const id = randomUUID();
  await store.db.insert(workspaces).values({
    id,
    name: "one",
    tier: 2,
    status: "online",
    runtime: "langgraph",
    createdBy: "admin",
  });
  return id;
}

const own = (name: string) => ({ scope: "workspace", workspaceId, key: name }) as const;
const shared = (name: string) => ({ scope: "global", key: name }) as const;

describe("secrets in force", () => {
  it("are the global ones and the workspace's own over them", async () => {
    await secrets.save(store.db, shared("A"), "global-a");
    await secrets.save(store.db, shared("B"), "global-b");
    await secrets.save(store.db, own("B"), "own-b");
    await secrets.save(store.db, own("C"), "own-c");
    const other = await insertWorkspace();
    expect(await secrets.readEffective(store.db, workspaceId)).toEqual({
      A: "global-a",
      B: "own-b",
      C: "own-c",
    });
    expect(await secrets.readEffective(store.db, other)).toEqual({ A: "global-a", B: "global-b" });
    expect(
      (await secrets.listEffective(store.db, workspaceId)).map((e) => `${e.key} ${e.scope}`),
    ).toEqual(["A global", "B workspace", "C workspace"]);
  });

  it("take the value saved last, and keep the moment of the first", async () => {
    await secrets.save(store.db, own("A"), "first");
    const [before] = await secrets.listEffective(store.db, workspaceId);
    await secrets.save(store.db, own("A"), "second");
    const [after] = await secrets.listEffective(store.db, workspaceId);
    expect(await secrets.read(store.db, own("A"))).toBe("second");
    expect(after?.createdAt).toEqual(before?.createdAt);
  });

  it("fall back to the global one when the workspace's own is deleted", async () => {
    await secrets.save(store.db, shared("A"), "global-a");
    await secrets.save(store.db, own("A"), "own-a");
    expect(await secrets.delete(store.db, own("A"))).toBe(true);
    expect(await secrets.delete(store.db, own("A"))).toBe(false);
    expect(await secrets.readEffective(store.db, workspaceId)).toEqual({ A: "global-a" });
  });

  it("that cannot be decrypted are all named, and no value is", async () => {
    const stranger = createSecretStore({
      box: createSecretBox({ current: randomBytes(32) }),
      redactor,
    });
    await stranger.save(store.db, own("LOST"), "lost-value");
    await stranger.save(store.db, shared("GONE"), "gone-value");
    await secrets.save(store.db, own("KEPT"), "kept-value");
    const error = await secrets.readEffective(store.db, workspaceId).then(
      () => undefined,
      (thrown: unknown) => thrown as Error,
    );
    expect(error).toMatchObject({
      code: "ERR_SECRET_UNREADABLE",
      details: { failed_keys: ["GONE", "LOST"] },
    });
    expect(JSON.stringify(error)).not.toContain("-value");
  });

  it("are not spoilt by a global one that cannot be decrypted but is overridden", async () => {
    await store.db.insert(globalSecrets).values({
      key: "A",
      encryptedValue: randomBytes(40),
      encryptionVersion: 1,
      keyId: "unknown",
    });
    await secrets.save(store.db, own("A"), "own-a");
    expect(await secrets.readEffective(store.db, workspaceId)).toEqual({ A: "own-a" });
  });

  it("cannot be read in the place of another row", async () => {
    await secrets.save(store.db, own("ADMIN_ONLY"), "valuable");
    const [row] = await store.db.select().from(workspaceSecrets);
    await store.db.insert(workspaceSecrets).values({ ...row!, key: "HARMLESS" });
    await expect(secrets.read(store.db, own("HARMLESS"))).rejects.toMatchObject({
      code: "ERR_SECRET_UNREADABLE",
    });
  });

  it("are masked in what the server tells once they were saved or read", async () => {
    await secrets.save(store.db, own("A"), "saved-value-1");
    expect(redactor.redact("it said saved-value-1")).toBe("it said ***");
    const later = createRedactor();
    const reopened = createSecretStore({ box: createSecretBox({ current: key }), redactor: later });
    await reopened.readEffective(store.db, workspaceId);
    expect(later.redact("it said saved-value-1")).toBe("it said ***");
  });
});

describe("what cannot be saved", () => {
  it.each([
    ["a name that begins with a digit", "1A", "v", "ERR_REQUEST_INVALID"],
    ["a name with a dash", "A-B", "v", "ERR_REQUEST_INVALID"],
    ["a name of 129 characters", "A".repeat(129), "v", "ERR_REQUEST_INVALID"],
    ["a name the shell keeps for itself", "BASH_ENV", "v", "ERR_REQUEST_INVALID"],
    ["a name the provisioner sets", "WORKSPACE_ID", "v", "ERR_SECRET_NAME_RESERVED"],
    ["a value longer than 64 KiB", "A", "v".repeat(65_537), "ERR_REQUEST_INVALID"],
    ["a value with a NUL character", "A", "v\0v", "ERR_REQUEST_INVALID"],
    ["a value with half a surrogate pair", "A", "v\ud800", "ERR_REQUEST_INVALID"],
  ])("is %s", (_what, name, value, code) => {
    expect(() => secrets.validate(name, value)).toThrow(expect.objectContaining({ code }));
  });

  it("is anything without a key", () => {
    const keyless = createSecretStore({ box: createSecretBox({ current: undefined }), redactor });
    expect(() => keyless.validate("A", "v")).toThrow(
      expect.objectContaining({ code: "ERR_SECRET_KEY_MISSING" }),
    );
    expect(() => secrets.validate("A".repeat(128), "v".repeat(65_536))).not.toThrow();
  });

  it("is more than a process could be started with", async () => {
    const saving = store.db.transaction(async (tx) => {
      for (let n = 0; n < 17; n++) await secrets.save(tx, own(`A${n}`), "v".repeat(65_000));
    });
    await expect(saving).rejects.toMatchObject({ code: "ERR_REQUEST_INVALID" });
    expect(await secrets.listEffective(store.db, workspaceId)).toEqual([]);
  });
});

describe("a rotation", () => {
  const next = randomBytes(32);
  const rotated = createSecretBox({ current: next, previous: [key] });
  const afterwards = createSecretBox({ current: next });

  async function saveMany(): Promise<Record<string, string>> {
    const expected: Record<string, string> = {};
    for (let n = 0; n < 7; n++) {
      await secrets.save(store.db, own(`OWN_${n}`), `own-${n}`);
      await secrets.save(store.db, shared(`GLOBAL_${n}`), `global-${n}`);
      expected[`OWN_${n}`] = `own-${n}`;
      expected[`GLOBAL_${n}`] = `global-${n}`;
    }
    await store.db.insert(workspaceSecrets).values({
      workspaceId,
      key: "PLAIN",
      encryptedValue: Buffer.from("never encrypted"),
      encryptionVersion: 0,
      keyId: "",
    });
    return { ...expected, PLAIN: "never encrypted" };
  }

  it("seals everything with the new key, so that the old one is needed no more", async () => {
    const expected = await saveMany();
    const options = { db: store.db, box: rotated, logger: silent, batchSize: 3 };
    expect(await resealSecrets(options)).toEqual({ resealed: 15, unreadable: [] });
    const reopened = createSecretStore({ box: afterwards, redactor });
    expect(await reopened.readEffective(store.db, workspaceId)).toEqual(expected);
    expect(await resealSecrets(options)).toEqual({ resealed: 0, unreadable: [] });
  });

  it("by two processes at once seals each secret once and loses none", async () => {
    const expected = await saveMany();
    const options = { db: store.db, box: rotated, logger: silent, batchSize: 2 };
    const results = await Promise.all([resealSecrets(options), resealSecrets(options)]);
    expect(results.reduce((sum, { resealed }) => sum + resealed, 0)).toBe(15);
    const reopened = createSecretStore({ box: afterwards, redactor });
    expect(await reopened.readEffective(store.db, workspaceId)).toEqual(expected);
  });

  it("does not undo what is saved while it runs", async () => {
    await saveMany();
    const newer = createSecretStore({ box: rotated, redactor });
    await Promise.all([
      resealSecrets({ db: store.db, box: rotated, logger: silent, batchSize: 1 }),
      newer.save(store.db, own("OWN_6"), "changed"),
    ]);
    expect(await newer.read(store.db, own("OWN_6"))).toBe("changed");
  });

  it("names what no key opens, leaves it alone and goes on with the rest", async () => {
    await saveMany();
    await store.db
      .update(workspaceSecrets)
      .set({ keyId: "unknown" })
      .where(eq(workspaceSecrets.key, "OWN_3"));
    expect(
      await resealSecrets({ db: store.db, box: rotated, logger: silent, batchSize: 2 }),
    ).toEqual({ resealed: 14, unreadable: [`${workspaceId}/OWN_3`] });
  });

  it("ends without an error when the store fails, tells the log, and is taken up again", async () => {
    const expected = await saveMany();
    const told: string[] = [];
    const logger: Logger = {
      ...silent,
      error: (_fields: unknown, text?: string) => told.push(text ?? ""),
    };
    const failing = { execute: () => Promise.reject(new Error("gone")) } as unknown as Store["db"];
    expect(await resealSecrets({ db: failing, box: rotated, logger })).toEqual({
      resealed: 0,
      unreadable: [],
    });
    expect(told).toEqual(["sealing secrets with the current key stopped early"]);
    await resealSecrets({ db: store.db, box: rotated, logger: silent });
    const reopened = createSecretStore({ box: afterwards, redactor });
    expect(await reopened.readEffective(store.db, workspaceId)).toEqual(expected);
  });

  it("does not begin without a key", async () => {
    await saveMany();
    const box = createSecretBox({ current: undefined, previous: [key] });
    expect(await resealSecrets({ db: store.db, box, logger: silent })).toEqual({
      resealed: 0,
      unreadable: [],
    });
  });
});

it("keeps values nowhere in the files of the database", async () => {
  await secrets.save(store.db, own("A"), "needle-in-a-haystack-1");
  await secrets.save(store.db, shared("A"), "needle-in-a-haystack-2");
  // The name is there, so the search would find the value.
  await secrets.save(store.db, own("NAME_THAT_IS_FOUND"), "v");
  await store.db.execute("checkpoint");
  const found = { name: false, value: false };
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const bytes = await readFile(join(entry.parentPath, entry.name));
    found.name ||= bytes.includes("NAME_THAT_IS_FOUND");
    found.value ||= bytes.includes("needle-in-a-haystack");
  }
  expect(found).toEqual({ name: true, value: false });
});
