import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openStoredTokens } from "./stored-tokens.js";

let home: string;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "cli-tokens-"));
});
afterEach(async () => {
  await rm(home, { recursive: true, force: true });
});

const UNUSABLE = expect.objectContaining({ code: "ERR_CLI_TOKEN_STORE" });

describe("stored tokens", () => {
  it("are found by the origin they were stored for, and by no other", async () => {
    const tokens = openStoredTokens(join(home, "a/b"));
    expect(await tokens.find("https://one")).toBeUndefined();
    await tokens.store("https://one", "token-one");
    await tokens.store("http://one", "token-plain");
    await tokens.store("https://two", "token-two");
    await tokens.store("https://one", "token-newer");
    expect(await tokens.find("https://one")).toBe("token-newer");
    expect(await tokens.find("http://one")).toBe("token-plain");
    expect(await tokens.find("https://on")).toBeUndefined();
    expect(await tokens.find("toString")).toBeUndefined();
  });

  it("are removed one by one", async () => {
    const tokens = openStoredTokens(home);
    await tokens.store("https://one", "token-one");
    await tokens.store("https://two", "token-two");
    expect(await tokens.remove("https://one")).toBe(true);
    expect(await tokens.remove("https://one")).toBe(false);
    expect(await tokens.find("https://two")).toBe("token-two");
  });

  it("can be read by their owner only, and leave no other file", async () => {
    const directory = join(home, "molecule");
    const tokens = openStoredTokens(directory);
    await tokens.store("https://one", "token-one");
    expect((await stat(directory)).mode & 0o777).toBe(0o700);
    expect((await stat(tokens.path)).mode & 0o777).toBe(0o600);
    expect(await readdir(directory)).toEqual(["tokens.json"]);
  });

  it.each(["", "{", "[]", '{"version":2,"servers":{}}', '{"version":1,"servers":{"a":"b"}}'])(
    "are not overwritten when the file holds %j",
    async (text) => {
      const tokens = openStoredTokens(home);
      await writeFile(tokens.path, text);
      await expect(tokens.find("https://one")).rejects.toEqual(UNUSABLE);
      await expect(tokens.store("https://one", "token-one")).rejects.toEqual(UNUSABLE);
      expect(await readFile(tokens.path, "utf8")).toBe(text);
    },
  );

  it("say so when they cannot be written", async () => {
    await writeFile(join(home, "file"), "");
    const tokens = openStoredTokens(join(home, "file"));
    await expect(tokens.store("https://one", "token-one")).rejects.toEqual(UNUSABLE);
  });
});
