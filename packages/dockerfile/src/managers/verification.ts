import type { Verification } from "../inventory.js";
import { plainText, someCommand } from "../shell/read-shell.js";
import type { ProgramRun } from "../shell/run-commands.js";
import type { Argument } from "../shell/argument.js";

/** A check of files that a RUN makes. */
export interface Check {
  readonly verification: Verification;
  /** Names of files, without directories, that are written around it; other words too. */
  readonly mentions: ReadonlySet<string>;
}

const SUMS: ReadonlyMap<string, string> = new Map(
  Object.entries({
    md5sum: "md5",
    sha1sum: "sha1",
    sha224sum: "sha224",
    sha256sum: "sha256",
    sha384sum: "sha384",
    sha512sum: "sha512",
    b2sum: "blake2b",
    b3sum: "blake3",
  }),
);
const HASH_LENGTHS: ReadonlyMap<string, number> = new Map(
  Object.entries({
    md5: 32,
    sha1: 40,
    sha224: 56,
    sha256: 64,
    sha384: 96,
    sha512: 128,
    blake2b: 128,
    blake3: 64,
  }),
);

/** The checks among the programs of one RUN. */
export function findChecks(runs: readonly ProgramRun[]): Check[] {
  const methods = runs.map(methodOf);
  if (methods.every((method) => method === undefined)) return [];
  const pipelines = groupByPipeline(runs);
  return runs.flatMap((run, index) => {
    const method = methods[index];
    if (method === undefined) return [];
    const around = pipelines.get(run.pipeline) ?? [run];
    const mentions = around.map(mentionedBy).join(" ").slice(0, 8192);
    const length = HASH_LENGTHS.get(method);
    const value =
      length === undefined
        ? undefined
        : new RegExp(`(?<![0-9a-fA-F])[0-9a-fA-F]{${length}}(?![0-9a-fA-F])`).exec(mentions)?.[0];
    return [
      {
        verification: { method, ...(value === undefined ? {} : { value: value.toLowerCase() }) },
        mentions: new Set(mentions.split(/[\s*'"/\\]+/)),
      },
    ];
  });
}

function groupByPipeline(runs: readonly ProgramRun[]): ReadonlyMap<string, ProgramRun[]> {
  const pipelines = new Map<string, ProgramRun[]>();
  for (const run of runs) {
    const joined = pipelines.get(run.pipeline);
    if (joined === undefined) pipelines.set(run.pipeline, [run]);
    else joined.push(run);
  }
  return pipelines;
}

function methodOf({ program, args, text }: ProgramRun): string | undefined {
  const has = (pattern: RegExp): boolean => args.some((argument) => pattern.test(argument.text));
  const sum = SUMS.get(program);
  // Of short options in one word, as in -sc, any may be the one that checks.
  if (sum !== undefined) return has(/^-[a-z]*c$|^--check/) ? sum : undefined;
  if (program === "shasum") {
    if (!has(/^-[a-z]*c$|^--check/)) return undefined;
    const algorithm = /(?:-a|--algorithm)[ =]?(1|224|256|384|512)\b/.exec(text.slice(0, 1000))?.[1];
    return `sha${algorithm ?? "1"}`;
  }
  if (program === "gpg" || program === "gpg2" || program === "gpgv") {
    return program === "gpgv" || has(/^--verify$/) ? "gpg" : undefined;
  }
  if (program === "cosign") return has(/^verify-blob/) ? "cosign" : undefined;
  if (program === "minisign" || program === "signify") return has(/^-V/) ? program : undefined;
  if (program === "test" || program === "[" || program === "[[") return comparedSum(args);
  return undefined;
}

/** `[ "$(sha256sum file)" = … ]` */
function comparedSum(args: readonly Argument[]): string | undefined {
  let sum: string | undefined;
  for (const { commands } of args) {
    someCommand(commands, ({ words }) => {
      sum ??= words[0] === undefined ? undefined : SUMS.get(plainText(words[0]));
      return sum !== undefined;
    });
  }
  return sum;
}

function mentionedBy({ args, redirections }: ProgramRun): string {
  return [
    ...args.map(({ text }) => text),
    ...redirections.map(({ target }) => plainText(target)),
  ].join(" ");
}
