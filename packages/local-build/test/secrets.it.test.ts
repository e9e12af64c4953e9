import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRedactor, type ProvisionEvent } from "@molecule-ai/core";
import { describe, expect, test } from "vitest";
import { openRoom, type Room } from "./fixtures/room.js";

const TOKEN = "s3cret/t%ken+of=the&test";
const RECORDER = join(import.meta.dirname, "fixtures/bin/git-recorder");
const redactor = createRedactor([TOKEN]);

/** True when the token is in the text in any form a redactor knows. */
function holdsToken(text: string): boolean {
  return text.includes(TOKEN) || redactor.redact(text).includes("***");
}

function openPrivateRoom(): Promise<Room> {
  return openRoom({
    private: true,
    server: { token: TOKEN },
    giteaSettings: { origin: undefined, credential: { kind: "token", token: TOKEN } },
  });
}

describe("the token", () => {
  test("reaches git in the environment only: not its arguments, not its children's, not the disk", async () => {
    await using room = await openPrivateRoom();
    const records = await mkdtemp(join(tmpdir(), "records-"));
    const settings = room.settings();
    const basic = Buffer.from(`oauth2:${TOKEN}`).toString("base64");
    const source = room.source({
      settings: {
        ...settings,
        gitPath: RECORDER,
        gitEnv: { ...settings.gitEnv, RECORD_DIR: records, NEEDLE: basic },
      },
    });
    const events: ProvisionEvent[] = [];
    const image = await source.ensure("langgraph", { onEvent: (event) => events.push(event) });
    expect(events).toContainEqual(expect.objectContaining({ stage: "checkout", outcome: "git" }));

    const names = await readdir(records);
    const read = async (suffix: string): Promise<string[]> =>
      Promise.all(
        names
          .filter((name) => name.endsWith(suffix))
          .map((name) => readFile(join(records, name), "utf8")),
      );
    const argv = await read(".argv");
    expect(argv.some((text) => text.startsWith("fetch\n"))).toBe(true);
    expect(argv.filter(holdsToken)).toEqual([]);
    const traces = await read(".trace");
    expect(traces.join("")).toContain("remote-http");
    expect(traces.filter(holdsToken)).toEqual([]);
    expect(await read(".found")).toEqual([]);

    // Only the one call that talks to the server gets it at all.
    const carriers = (await read(".env")).filter((text) =>
      /^GIT_CONFIG_VALUE_0=Authorization: Basic /m.test(text),
    );
    expect(carriers).toHaveLength(1);
    expect(carriers[0]).toContain(`GIT_CONFIG_KEY_0=http.${room.gitea.origin}/.extraHeader`);

    for (const name of await readdir(image.templatePath ?? "", { recursive: true })) {
      expect(name.split("/")).not.toContain(".git");
    }
    expect(holdsToken(JSON.stringify([events, image, room.engine.stored]))).toBe(false);
    await rm(records, { recursive: true });
  });

  test("gives git nothing else of the environment than what it needs", async () => {
    await using room = await openPrivateRoom();
    const records = await mkdtemp(join(tmpdir(), "records-"));
    const settings = room.settings({ MOLECULE_SOME_SECRET: "x", SSH_AUTH_SOCK: "/x" });
    const source = room.source({
      settings: {
        ...settings,
        gitPath: RECORDER,
        gitEnv: { ...settings.gitEnv, RECORD_DIR: records, NEEDLE: "none" },
      },
    });
    await source.ensure("langgraph");
    for (const name of (await readdir(records)).filter((item) => item.endsWith(".env"))) {
      const names = (await readFile(join(records, name), "utf8"))
        .split("\n")
        .flatMap((line) => /^([A-Za-z_]\w*)=/.exec(line)?.[1] ?? []);
      expect(names).toContain("GIT_TERMINAL_PROMPT");
      for (const foreign of ["MOLECULE_SOME_SECRET", "SSH_AUTH_SOCK", "VITEST"]) {
        expect(names).not.toContain(foreign);
      }
    }
    await rm(records, { recursive: true });
  });

  test("of another origin is not sent by git", async () => {
    await using room = await openRoom();
    const source = room.source({
      giteaSettings: {
        origin: "https://elsewhere.example",
        credential: { kind: "token", token: TOKEN },
      },
    });
    await source.ensure("langgraph");
    expect(room.gitea.requests.filter((request) => request.authorization)).toEqual([]);
  });

  test("does not follow a redirect to another origin", async () => {
    await using room = await openPrivateRoom();
    room.gitea.setFault({ kind: "redirect", on: "git" });
    const events: ProvisionEvent[] = [];
    const source = room.source();
    await source.ensure("langgraph", { onEvent: (event) => events.push(event) });
    expect(room.gitea.strayRequests).toEqual([]);
    expect(events).toContainEqual(
      expect.objectContaining({ stage: "checkout", outcome: "archive" }),
    );
  });

  test("that is refused is masked in what git says", async () => {
    await using room = await openPrivateRoom();
    const events: ProvisionEvent[] = [];
    const source = room.source();
    room.gitea.setFault({ kind: "status", status: 401, on: "git" });
    await source.ensure("langgraph", { onEvent: (event) => events.push(event) });
    expect(events).toContainEqual(expect.objectContaining({ code: "WARN_LOCAL_BUILD_GIT_FETCH" }));
    expect(holdsToken(JSON.stringify(events))).toBe(false);
  });
});
