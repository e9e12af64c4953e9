import fc from "fast-check";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readAuthToken } from "./auth-token.js";
import { parseByteSize } from "./byte-size.js";
import { readConfigFiles } from "./config-files.js";
import { parseCopy, parseCopyOperand } from "./copy-operand.js";
import { parseDuration, readDuration } from "./duration.js";
import { parseEnvFile, readEnvironment } from "./environment.js";
import { parsePlatformUrl } from "./platform-url.js";
import { parsePointInTime } from "./point-in-time.js";
import { parseSecretReference, readSecrets } from "./secrets.js";
import { parseTier, refuseTier } from "./tier.js";
import { parseWholeNumber } from "./whole-number.js";
import { parseWorkspaceAccess } from "./workspace-access.js";

const INVALID = expect.objectContaining({ code: "ERR_CLI_OPTION_INVALID" });

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "cli-options-"));
});
afterAll(async () => {
  await rm(directory, { recursive: true, force: true });
});

async function file(name: string, content: string | Uint8Array): Promise<string> {
  const path = join(directory, name);
  await writeFile(path, content);
  return path;
}

function thrownBy(work: () => unknown): unknown {
  try {
    work();
  } catch (error) {
    return error;
  }
  return undefined;
}

describe("durations", () => {
  it.each([
    ["90", 90_000],
    ["90s", 90_000],
    ["1.5s", 1500],
    ["500ms", 500],
    ["5m", 300_000],
    ["1h30m", 5_400_000],
    ["2d", 172_800_000],
  ])("%s is %i ms", (text, ms) => {
    expect(parseDuration("--timeout", text)).toBe(ms);
  });

  it.each(["", "0", "-1", "abc", "5x", "5m x", "1h30", "Infinity", "NaN", "1e9", "25d", "5 m"])(
    "%j is refused",
    (text) => {
      expect(thrownBy(() => parseDuration("--timeout", text))).toEqual(INVALID);
    },
  );

  it("reads back every whole combination of units", () => {
    fc.assert(
      fc.property(fc.nat(23), fc.nat(59), fc.nat(59), (h, m, s) => {
        expect(readDuration(`${h}h${m}m${s}s`)).toBe(((h * 60 + m) * 60 + s) * 1000);
      }),
    );
  });

  it("never yields anything but a finite number or nothing", () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 20 }), (text) => {
        const ms = readDuration(text);
        expect(ms === undefined || Number.isFinite(ms)).toBe(true);
      }),
    );
  });
});

describe("points in time", () => {
  const now = Date.parse("2026-11-21T10:00:00Z");
  it.each([
    ["10m", now - 600_000],
    ["30", now - 30_000],
    ["2026-11-21T09:00:00Z", Date.parse("2026-11-21T09:00:00Z")],
    ["2026-11-20", Date.parse("2026-11-20")],
    ["1763719200", 1_763_719_200_000],
    ["1763719200.5", 1_763_719_200_500],
  ])("%s", (text, expected) => {
    expect(parsePointInTime("--since", text, now)).toBe(expected);
  });
  it.each(["", "yesterday", "2026-13-45", "12:00"])("%j is refused", (text) => {
    expect(thrownBy(() => parsePointInTime("--since", text, now))).toEqual(INVALID);
  });
});

describe("sizes and numbers", () => {
  it.each([
    ["500", 500],
    ["1k", 1024],
    ["1KB", 1024],
    ["1KiB", 1024],
    ["500MB", 524_288_000],
    ["1.5g", 1_610_612_736],
    ["20 GiB", 21_474_836_480],
    ["2TB", 2_199_023_255_552],
  ])("%s is %i bytes", (text, bytes) => {
    expect(parseByteSize("--max-size", text)).toBe(bytes);
  });
  it.each(["", "-1", "lots", "1PB", "9999999TB", "1 k b"])("size %j is refused", (text) => {
    expect(thrownBy(() => parseByteSize("--max-size", text))).toEqual(INVALID);
  });
  it("takes whole numbers from the least one on", () => {
    expect(parseWholeNumber("--tail", "0", 0)).toBe(0);
    expect(parseWholeNumber("--tail", "200", 0)).toBe(200);
    for (const text of ["", "-1", "1.5", "1e3", " 1", "0x10", "9".repeat(16)]) {
      expect(thrownBy(() => parseWholeNumber("--tail", text, 0))).toEqual(INVALID);
    }
    expect(thrownBy(() => parseWholeNumber("--keep", "0", 1))).toEqual(INVALID);
  });
});

describe("tiers", () => {
  it("takes 1 to 4 and nothing else", () => {
    expect(["1", "2", "3", "4"].map(parseTier)).toEqual([1, 2, 3, 4]);
    for (const text of ["0", "5", "99", "T2", "", "2.0", " 2"]) {
      expect(thrownBy(() => parseTier(text))).toEqual(INVALID);
    }
  });

  it("refuses 3 and 4 unless they are allowed", () => {
    const refusal = (tier: number, allowPrivileged: boolean, maxTier = 4) =>
      refuseTier(tier, { allowPrivileged, maxTier })?.details["rule"];
    expect([1, 2, 3, 4].map((tier) => refusal(tier, false))).toEqual([
      undefined,
      undefined,
      "--allow-privileged",
      "--allow-privileged",
    ]);
    expect([3, 4].map((tier) => refusal(tier, true))).toEqual([undefined, undefined]);
  });

  it("holds the machine's cap above what the command line allows", () => {
    const refusal = refuseTier(3, { allowPrivileged: true, maxTier: 2 });
    expect(refusal).toMatchObject({
      code: "ERR_CLI_TIER_REFUSED",
      details: { tier: 3, rule: "MOLECULE_MAX_TIER" },
    });
  });
});

describe("plain environment", () => {
  const read = (assignments: string[], files: string[] = [], env = {}) =>
    readEnvironment({ assignments, files, env, cwd: directory });

  it("splits at the first =, keeps the rest as it is", async () => {
    expect(await read(["A=1", "B=x=y", "C="])).toEqual({ A: "1", B: "x=y", C: "" });
  });
  it("takes NAME alone from this process, and refuses it when it is not set", async () => {
    expect(await read(["A"], [], { A: "here" })).toEqual({ A: "here" });
    await expect(read(["A"])).rejects.toEqual(INVALID);
  });
  it("lets --env win over files, and later files over earlier ones", async () => {
    const one = await file("one.env", "A=1\nB=1\nC=1\n");
    const two = await file("two.env", "B=2\nC=2\n");
    expect(await read(["C=3"], [one, two])).toEqual({ A: "1", B: "2", C: "3" });
  });
  it("reads Docker's file format", () => {
    const text = '\uFEFF# comment\n\nA=1\r\n  B= two words # kept\nC="quoted"\nD\n';
    expect(parseEnvFile(text, "x.env", { D: "d" })).toEqual([
      ["A", "1"],
      ["B", " two words # kept"],
      ["C", '"quoted"'],
      ["D", "d"],
    ]);
  });
  it("names file and line of what it cannot read, never the value", () => {
    const error = thrownBy(() => parseEnvFile("A=1\nexport B=hunter2\n", "x.env", {}));
    expect(error).toEqual(INVALID);
    expect((error as Error).message).toContain("x.env, line 2");
    expect(JSON.stringify(error)).not.toContain("hunter2");
  });
  it("does not fall for names like __proto__", async () => {
    const result = await read(["__proto__=x"]);
    expect(Object.keys(result)).toEqual(["__proto__"]);
    expect(({} as Record<string, unknown>)["x"]).toBeUndefined();
  });
  it.each(["=x", "1A=x", "A-B=x", "A B=x", ""])("refuses the name in %j", async (text) => {
    await expect(read([text])).rejects.toEqual(INVALID);
  });
  it("refuses a file that is absent or too large", async () => {
    await expect(read([], ["absent.env"])).rejects.toMatchObject({
      code: "ERR_CLI_FILE_UNREADABLE",
    });
    const large = await file("large.env", Buffer.alloc(1024 * 1024 + 1, "#"));
    await expect(read([], [large])).rejects.toMatchObject({ code: "ERR_CLI_FILE_TOO_LARGE" });
  });
  it("reads back any lines of NAME=value", () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.tuple(
            fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_]{0,10}$/),
            fc.string().map((text) => text.replace(/[\r\n]/g, "")),
          ),
        ),
        (entries) => {
          const text = entries.map(([name, value]) => `${name}=${value}\n`).join("");
          expect(parseEnvFile(text, "x", {})).toEqual(entries);
        },
      ),
    );
  });
});

describe("secrets", () => {
  const read = (references: string[], files: string[] = [], env = {}) =>
    readSecrets({ references, files, env, cwd: directory });

  it("takes a name from the environment, or a file without its last newline", async () => {
    await file("key", "line one\nline two\n");
    expect(await read(["A", "B=@key"], [], { A: "from-env" })).toEqual({
      A: "from-env",
      B: "line one\nline two",
    });
  });
  it("takes many from a file of NAME=value lines", async () => {
    const path = await file("secrets.env", "A=1111\nB=2222\n");
    expect(await read(["B"], [path], { B: "3333" })).toEqual({ A: "1111", B: "3333" });
  });
  it("refuses a value on the command line without repeating it", () => {
    const error = thrownBy(() => parseSecretReference("API_KEY=hunter2"));
    expect(error).toMatchObject({ code: "ERR_CLI_SECRET_ON_COMMAND_LINE" });
    expect(JSON.stringify(error)).not.toContain("hunter2");
    expect(String((error as Error).stack)).not.toContain("hunter2");
  });
  it.each(["A=", "A=@", "A=value", "A==@x"])("refuses %j", (text) => {
    expect(thrownBy(() => parseSecretReference(text))).toMatchObject({
      code: "ERR_CLI_SECRET_ON_COMMAND_LINE",
    });
  });
  it("refuses what is no name without repeating it", () => {
    const error = thrownBy(() => parseSecretReference("sk-hunter2"));
    expect(error).toEqual(INVALID);
    expect(JSON.stringify(error)).not.toContain("hunter2");
  });
  it("refuses a name that is not set, or set to nothing", async () => {
    await expect(read(["A"])).rejects.toMatchObject({ code: "ERR_CLI_SECRET_MISSING" });
    await expect(read(["A"], [], { A: "" })).rejects.toMatchObject({
      code: "ERR_CLI_SECRET_MISSING",
    });
  });
  it("refuses a file larger than the kernel would take", async () => {
    await file("big", Buffer.alloc(128 * 1024 + 1, "x"));
    await expect(read(["A=@big"])).rejects.toMatchObject({ code: "ERR_CLI_FILE_TOO_LARGE" });
  });
});

describe("config files", () => {
  it("keeps a file under its own name or the one given", async () => {
    const path = await file("config.yaml", "name: x\n");
    const files = await readConfigFiles([path, `prompts/system.md=${path}`], directory);
    expect(Object.keys(files)).toEqual(["config.yaml", "prompts/system.md"]);
    expect(Buffer.from(files["config.yaml"] ?? []).toString()).toBe("name: x\n");
  });
  it.each(["=x", "a=", ""])("refuses %j", async (value) => {
    await expect(readConfigFiles([value], directory)).rejects.toEqual(INVALID);
  });
  it("refuses the same name twice", async () => {
    const path = await file("a.txt", "x");
    await expect(readConfigFiles([path, path], directory)).rejects.toEqual(INVALID);
  });
  it("refuses a directory", async () => {
    await expect(readConfigFiles([directory], "/")).rejects.toMatchObject({
      code: "ERR_CLI_FILE_UNREADABLE",
      details: { reason: "EISDIR" },
    });
  });
});

describe("auth token", () => {
  it("is one line", async () => {
    expect(await readAuthToken(await file("token", "abc123\n"), "/")).toBe("abc123");
    for (const content of ["", "\n", "two words", "two\nlines"]) {
      await expect(readAuthToken(await file("bad", content), "/")).rejects.toEqual(INVALID);
    }
  });
});

describe("copy operands", () => {
  it.each([
    ["ws:/a/b", { kind: "workspace", workspace: "ws", path: "/a/b" }],
    ["my helper:/", { kind: "workspace", workspace: "my helper", path: "/" }],
    ["./ws:/a", { kind: "host", path: "./ws:/a" }],
    ["ws:relative", { kind: "host", path: "ws:relative" }],
    ["/abs", { kind: "host", path: "/abs" }],
    [":/a", { kind: "host", path: ":/a" }],
  ])("%s", (text, expected) => {
    expect(parseCopyOperand(text)).toEqual(expected);
  });
  it("tells the direction by which one is in a workspace", () => {
    expect(parseCopy("a.txt", "ws:/x")).toMatchObject({ direction: "in", inside: "/x" });
    expect(parseCopy("ws:/x", "a.txt")).toMatchObject({ direction: "out", host: "a.txt" });
  });
  it.each([
    ["a", "b"],
    ["x:/a", "y:/b"],
  ])("refuses %s to %s", (source, target) => {
    expect(thrownBy(() => parseCopy(source, target))).toMatchObject({ code: "ERR_CLI_USAGE" });
  });
});

describe("other options", () => {
  it("takes http and https platform URLs", () => {
    expect(parsePlatformUrl("http://host.docker.internal:8080")).toBe(
      "http://host.docker.internal:8080",
    );
    for (const text of ["", "host:8080", "ftp://x", "/x", "javascript:1"]) {
      expect(thrownBy(() => parsePlatformUrl(text))).toEqual(INVALID);
    }
  });
  it("takes the three kinds of workspace access", () => {
    expect(parseWorkspaceAccess("read_only")).toBe("read_only");
    for (const text of ["", "rw", "READ_ONLY", "wildcard"]) {
      expect(thrownBy(() => parseWorkspaceAccess(text))).toEqual(INVALID);
    }
  });
});
