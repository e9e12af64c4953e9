import fc from "fast-check";
import { execFile } from "node:child_process";
import { access, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { formatSecretFile, parseSecretFile, SECRETS_FILE, wrapEntrypoint } from "./secret-file.js";

const run = promisify(execFile);
const name = fc.stringMatching(/^[A-Z][A-Z0-9_]{0,12}$/).map((text) => `S_${text}`);
const value = fc
  .oneof(
    fc.string({ unit: "binary", maxLength: 60 }),
    fc.stringMatching(/^['"\\$`!\n\t *?~#&|;<>(){}[\]=-]{0,20}$/),
    fc.constant("-----BEGIN KEY-----\nab'c\n-----END KEY-----\n"),
  )
  .map((text) => Buffer.from(text.replaceAll("\0", ""), "utf8").toString("utf8"));
const secrets = fc.dictionary(name, value, { maxKeys: 6 });

const shells = [
  { shell: "dash", argv: ["/usr/bin/dash"] },
  { shell: "busybox sh", argv: ["/bin/busybox", "sh"] },
  { shell: "bash as sh", argv: ["/bin/bash"] },
];

describe("secret file", () => {
  let directory: string;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "molecule-secrets-"));
  });
  afterAll(() => rm(directory, { recursive: true, force: true }));

  it("reads back what it wrote", () => {
    fc.assert(
      fc.property(secrets, (given) => {
        expect(parseSecretFile(formatSecretFile(given))).toEqual({ ...given });
      }),
    );
  });

  it("does not take other text for its own", () => {
    for (const text of [
      "A=1\n",
      "export A='x'",
      "export A='x' B='y'\n",
      "export A='x'\nrm -rf /\n",
    ])
      expect(() => parseSecretFile(text)).toThrow(/not written by/);
  });

  it.each(shells)("reaches the process through $shell, byte for byte", async ({ shell, argv }) => {
    const [command = "", ...first] = argv;
    if (
      !(await access(command).then(
        () => true,
        () => false,
      ))
    ) {
      expect(shell).not.toBe("dash");
      return;
    }
    // Bash is another shell under the name of sh.
    const named = join(directory, "sh");
    await rm(named, { force: true });
    await symlink(command, named);
    const program = shell.startsWith("bash") ? named : command;
    const file = join(directory, shell.replaceAll(" ", "-"));
    const [, , loader = "", zero = "", ...entrypoint] = wrapEntrypoint([
      process.execPath,
      "-e",
      "process.stdout.write(JSON.stringify([process.pid, process.argv.slice(1), process.env]))",
      "it's an argument",
    ]);
    const script = loader.replaceAll(SECRETS_FILE, file);
    await fc.assert(
      fc.asyncProperty(secrets, async (given) => {
        await writeFile(file, formatSecretFile(given));
        const child = run(program, [...first, "-c", script, zero, ...entrypoint], { env: {} });
        const [pid, args, env] = JSON.parse((await child).stdout) as [number, string[], object];
        expect(env).toMatchObject(given);
        expect(args).toEqual(["it's an argument"]);
        // The same process: signals reach it as if there were no wrapper.
        expect(pid).toBe(child.child.pid);
      }),
      { numRuns: 12 },
    );
  });

  it.each(shells.slice(0, 1))(
    "does not start the process when $shell cannot load it",
    async ({ argv }) => {
      const [command = "", ...first] = argv;
      const [, , loader = "", ...rest] = wrapEntrypoint(["/bin/echo", "started"]);
      const script = loader.replaceAll(SECRETS_FILE, join(directory, "absent"));
      const failure = await run(command, [...first, "-c", script, ...rest]).catch(
        (error: { code: number; stdout: string }) => error,
      );
      expect(failure).toMatchObject({ stdout: "" });
      expect((failure as { code?: number }).code).not.toBe(0);
    },
  );
});
