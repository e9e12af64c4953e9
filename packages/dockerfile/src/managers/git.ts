import type { ProgramRun } from "../shell/run-commands.js";
import { isUrl, pin, type Found } from "./found.js";
import { operandsOf, optionNames, readOptions } from "./options.js";

const VALUED = optionNames(
  "-C -c -b --branch --depth -o --origin --reference --template -u --upload-pack -j --jobs " +
    "--separate-git-dir --filter --shallow-since --git-dir --work-tree --config --revision",
);

/** `git clone --branch v1.2 https://…`: a tag or branch can be moved, a commit cannot. */
export function readGit({ args }: ProgramRun): Found[] {
  const options = readOptions(args, VALUED);
  const [repository] = operandsOf(options.operands, ["clone"]) ?? [];
  if (repository === undefined) return [];
  const { text, written } = repository;
  if (!isUrl(text) && !/^[\w.-]+@[\w.-]+:/.test(text)) return [];
  const revision = options.values("--revision")[0];
  const version = revision ?? options.values("-b", "--branch")[0];
  return [
    {
      kind: "package",
      manager: "git",
      name: repositoryName(text),
      ...(version === undefined || version === "" ? {} : { version }),
      url: written,
      ...pin(/^[0-9a-f]{40}$/.test(revision ?? "") ? "digest" : "moving-name"),
    },
  ];
}

/** The last part of a repository's URL. */
export function repositoryName(url: string): string {
  const [path = ""] = url.split(/[?#]/, 1);
  const last = path.split(/[/:@]/).findLast((part) => part !== "") ?? "";
  return last.endsWith(".git") ? last.slice(0, -".git".length) : last;
}
