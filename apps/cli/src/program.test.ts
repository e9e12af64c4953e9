import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import { describe, expect, it } from "vitest";
import { createProgram } from "./program.js";

interface Parsed {
  readonly name: string | undefined;
  readonly json: boolean;
  readonly output: string;
}

/** Parses without running: the grammar alone, no module of a command is loaded. */
async function parse(...argv: string[]): Promise<Parsed> {
  let name: string | undefined;
  let json = false;
  let output = "";
  const program = createProgram({
    writers: { stdout: (text) => void (output += text), stderr: () => undefined },
    colour: false,
    run(command, options) {
      name = command;
      json = options.json === true;
      return Promise.resolve();
    },
  });
  await program.parseAsync(argv, { from: "user" });
  return { name, json, output };
}

const USAGE = expect.objectContaining({ name: "CommanderError" });
const INVALID = expect.objectContaining({ code: "ERR_CLI_OPTION_INVALID" });

describe("grammar", () => {
  it.each([
    ["up", "hello"],
    ["plan", "hello"],
    ["ls"],
    ["inspect", "w"],
    ["stop", "w", "v"],
    ["restart", "w"],
    ["rm", "w", "v"],
    ["logs", "w"],
    ["exec", "w", "true"],
    ["cp", "a", "w:/b"],
    ["build", "hello"],
    ["images"],
    ["inventory", "hello"],
    ["gc"],
    ["sweep"],
    ["tiers"],
    ["doctor"],
    ["login"],
    ["logout"],
    ["why", "w"],
    ["rebuild", "hello"],
  ])("%s takes --json", async (...argv) => {
    const [command, ...rest] = argv;
    expect(await parse(...argv)).toMatchObject({ name: command, json: false });
    expect(await parse(command ?? "", "--json", ...rest)).toMatchObject({ json: true });
  });

  it.each([
    ["image build", "--tag", "a:1"],
    ["image push", "a:1"],
    ["image login", "registry.example.com"],
    ["image digest", "a:1"],
    ["image promote", "a:1", "b:1"],
    ["image explain"],
    ["image gc"],
    ["image cache ls"],
    ["image cache prune"],
    ["image builder ls"],
    ["image builder inspect", "b"],
    ["image builder rm", "b", "c"],
    ["trust sign", "r"],
    ["trust attest", "r"],
    ["trust verify", "r"],
  ])("%s takes --json", async (command, ...rest) => {
    const words = command.split(" ");
    expect(await parse(...words, ...rest)).toMatchObject({ name: command, json: false });
    expect(await parse(...words, "--json", ...rest)).toMatchObject({ name: command, json: true });
  });

  it("leaves everything behind the workspace of exec to the program inside", async () => {
    expect(await parse("exec", "w", "ls", "--json", "-la")).toMatchObject({ json: false });
    expect(await parse("exec", "w", "--", "--version")).toMatchObject({ name: "exec" });
  });

  it("has no --json where a person is asked for", async () => {
    await expect(parse("sh", "w", "--json")).rejects.toEqual(USAGE);
  });

  it.each([
    ["nonsense"],
    ["up"],
    ["up", "hello", "extra"],
    ["up", "hello", "--nonsense"],
    ["up", "hello", "--tier"],
    ["stop"],
    ["exec", "w"],
    ["cp", "a"],
    ["image"],
    ["image", "nonsense"],
    ["image", "cache"],
    ["image", "push"],
    ["image", "promote", "a:1"],
    ["image", "builder", "rm"],
  ])("refuses %j %j %j as usage", async (...argv) => {
    await expect(parse(...argv)).rejects.toEqual(USAGE);
  });

  it.each([
    ["up", "hello", "--tier", "0"],
    ["up", "hello", "--timeout", "soon"],
    ["up", "hello", "--workspace-access", "all"],
    ["up", "hello", "--platform-url", "nowhere"],
    ["stop", "w", "--grace", "-5"],
    ["logs", "w", "--tail", "many"],
    ["logs", "w", "--since", "once"],
    ["gc", "--keep", "x"],
    ["gc", "--max-age", "x"],
    ["gc", "--max-size", "x"],
    ["sweep", "--grace", "x"],
    ["tiers", "9"],
    ["inventory", "x", "--format", "xml"],
    ["inventory", "x", "--findings-threshold", "some"],
    ["image", "build", "--timeout", "x"],
    ["image", "build", "--source-date-epoch", "x"],
    ["image", "gc", "--older-than", "x"],
    ["image", "gc", "--min-free", "x"],
    ["image", "cache", "prune", "--max-refs", "x"],
  ])("refuses the value in %s %s %s %s %s", async (...argv) => {
    await expect(parse(...argv.filter((text) => text !== undefined))).rejects.toEqual(INVALID);
  });

  it("suggests what was meant", async () => {
    await expect(parse("lss")).rejects.toThrow(/Did you mean/);
    await expect(parse("up", "x", "--secrt", "A")).rejects.toThrow(/--secret/);
  });

  it("prints help for every command, without internals", async () => {
    const program = createProgram({
      writers: { stdout: () => undefined, stderr: () => undefined },
      colour: false,
      run: () => Promise.resolve(),
    });
    const help = program.helpInformation();
    const check = (command: CommandUnknownOpts, parent: string): void => {
      expect(parent).toContain(`  ${command.name()} `);
      expect(command.description()).not.toBe("");
      const own = command.helpInformation();
      expect(own).not.toContain("default: []");
      for (const child of command.commands) check(child, own);
    };
    for (const command of program.commands) {
      if (command.name() !== "__complete") check(command, help);
    }
    expect(help).not.toContain("__complete");
  });
});
