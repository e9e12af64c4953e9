import { describe, expect, it } from "vitest";
import { parseSettings, terminalTraits, type HostFacts } from "./config.js";

function facts(changes: Partial<HostFacts> = {}): HostFacts {
  return {
    argv: [],
    env: {},
    cwd: "/here",
    homeDirectory: "/home/me",
    userName: "me",
    hostPlatform: "linux",
    hostArch: "x64",
    temporaryDirectory: "/tmp",
    uid: 1000,
    stdinIsTerminal: true,
    stdoutIsTerminal: true,
    stderrIsTerminal: true,
    columns: () => 80,
    ...changes,
  };
}

describe("settings", () => {
  it("are frozen, and have defaults", () => {
    const settings = parseSettings(facts());
    expect(Object.isFrozen(settings)).toBe(true);
    expect(settings).toMatchObject({ installId: undefined, maxTier: 4, uid: 1000 });
  });
  it("take the install id and the highest tier from the environment", () => {
    const env = { MOLECULE_INSTALL_ID: "team-a", MOLECULE_MAX_TIER: "2" };
    expect(parseSettings(facts({ env }))).toMatchObject({ installId: "team-a", maxTier: 2 });
    const empty = { MOLECULE_INSTALL_ID: "", MOLECULE_MAX_TIER: "" };
    expect(parseSettings(facts({ env: empty }))).toMatchObject({
      installId: undefined,
      maxTier: 4,
    });
  });
  it.each([
    { MOLECULE_INSTALL_ID: "Team A" },
    { MOLECULE_INSTALL_ID: "-x" },
    { MOLECULE_INSTALL_ID: "x".repeat(64) },
    { MOLECULE_MAX_TIER: "5" },
    { MOLECULE_MAX_TIER: "two" },
  ])("refuse %j", (env) => {
    expect(() => parseSettings(facts({ env }))).toThrow(
      expect.objectContaining({ code: "ERR_CLI_OPTION_INVALID" }),
    );
  });
});

describe("terminal", () => {
  it.each([
    [{}, true, true],
    [{}, false, false],
    [{ NO_COLOR: "1" }, true, false],
    [{ NO_COLOR: "" }, true, true],
    [{ FORCE_COLOR: "1" }, false, true],
    [{ FORCE_COLOR: "" }, false, true],
    [{ FORCE_COLOR: "0" }, true, false],
    [{ FORCE_COLOR: "false" }, true, false],
    [{ FORCE_COLOR: "1", NO_COLOR: "1" }, false, true],
    [{ TERM: "dumb" }, true, false],
  ])("with %j on a terminal: %s → colour: %s", (env, isTerminal, colour) => {
    const traits = terminalTraits(facts({ env, stdoutIsTerminal: isTerminal }));
    expect(traits.stdout).toEqual({ isTerminal, colour });
  });
  it("draws ASCII and moves no cursor where it must not", () => {
    expect(terminalTraits(facts({ env: { TERM: "dumb" } }))).toMatchObject({
      cursor: false,
      unicode: false,
    });
    expect(terminalTraits(facts({ env: { TERM: "linux" } }))).toMatchObject({
      cursor: true,
      unicode: false,
    });
    expect(terminalTraits(facts({ env: { TERM: "xterm" } }))).toMatchObject({
      cursor: true,
      unicode: true,
    });
  });
});
