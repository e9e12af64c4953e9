import type { Verification } from "../inventory.js";
import { redirectsTo, type ProgramRun } from "../shell/run-commands.js";
import type { Argument } from "../shell/argument.js";
import { fileNameOf, guessBinaryName, versionInUrl } from "./binary-name.js";
import { pin, type Found } from "./found.js";
import { optionNames, readOptions } from "./options.js";
import { findChecks, type Check } from "./verification.js";

const VALUED: ReadonlyMap<string, ReadonlySet<string>> = new Map(
  Object.entries({
    curl: optionNames(
      "-o --output -H --header -d --data --data-raw --data-binary -X --request -u --user -A " +
        "--user-agent -e --referer -b --cookie -c --cookie-jar -m --max-time --connect-timeout --retry " +
        "--retry-delay --retry-max-time -x --proxy --cacert --capath -E --cert --key -w --write-out -T " +
        "--upload-file --output-dir -F --form --proto --resolve --limit-rate -r --range -K --config " +
        "--max-redirs --create-file-mode",
    ),
    wget: optionNames(
      "-O --output-document -o --output-file -P --directory-prefix -t --tries -T --timeout --header " +
        "-U --user-agent --user --password --post-data -i --input-file -e --execute -w --wait -a " +
        "--append-output --waitretry --connect-timeout --read-timeout --dns-timeout --retry-on-http-error",
    ),
  }),
);
/** Options with which curl and wget ask or send. */
const QUESTIONS = ["-I", "--head", "--spider", "-T", "--upload-file"];
/** What is fetched to check something else by. */
const CHECK_FILE =
  /(?:\.(?:sha\d{1,3}|sha\d{1,3}sum|md5|asc|sig|sigstore|pem|minisig)|sums?(?:\d{1,3})?(?:\.txt)?|checksums?\.txt)$/i;

/** A file that a program fetches. */
interface Download {
  readonly url: Argument;
  /** Name of the file it is stored in. */
  readonly output: string;
  /** Last part of the URL's path. */
  readonly fileName: string;
  /** Whether it is only there to check another one by. */
  readonly isCheckFile: boolean;
  /** Whether the server is only asked something, or sent something: nothing comes into the image. */
  readonly isQuestion: boolean;
  readonly run: ProgramRun;
}

function findDownloads(runs: readonly ProgramRun[]): Download[] {
  return runs.flatMap((run) => {
    const valued = VALUED.get(run.program);
    if (valued === undefined) return [];
    const options = readOptions(run.args, valued);
    const given = options.values(
      ...(run.program === "curl" ? ["-o", "--output"] : ["-O", "--output-document"]),
    );
    const urls = [
      ...options.operands,
      ...options.values("--url").map((text) => ({ ...NO_ARGUMENT, text, written: text })),
    ].filter(({ text, written }) => isWebUrl(text) || isWebUrl(written));
    const redirected = redirectsTo(run);
    const asks = options.has(...QUESTIONS);
    return urls.map((url, index) => {
      const output = given[index] ?? redirected;
      const isQuestion = asks || output === "/dev/null";
      const stored = output === undefined || output === "-" ? undefined : output;
      const fileName = fileNameOf(url.text);
      const isCheckFile = CHECK_FILE.test(fileName);
      return { url, output: stored ?? fileName, fileName, isCheckFile, isQuestion, run };
    });
  });
}

const NO_ARGUMENT = { found: [], missing: [], commands: [] };

export function isWebUrl(text: string): boolean {
  return /^(?:https?|ftp):\/\/./i.test(text);
}

/** A download, and what makes sure of its content. */
export interface CheckedDownload extends Download {
  readonly verification: Verification | undefined;
}

/**
 * The downloads among the programs of one RUN, each with the check that names its file, or else with
 * one that names no download's file, such as `sha256sum -c SHA256SUMS`.
 */
export function readDownloads(runs: readonly ProgramRun[]): CheckedDownload[] {
  const downloads = findDownloads(runs);
  if (downloads.length === 0) return [];
  const checks = findChecks(runs);
  if (checks.length === 0) return downloads.map((one) => ({ ...one, verification: undefined }));
  const byName = new Map<string, Check>();
  for (const check of checks) for (const name of check.mentions) byName.set(name, check);
  const known = new Set(downloads.filter((one) => !one.isCheckFile).flatMap(namesOf));
  const general = checks.find(({ mentions }) => ![...mentions].some((name) => known.has(name)));
  return downloads.map((download) => {
    const name = namesOf(download).find((candidate) => byName.has(candidate));
    const check = name === undefined ? general : byName.get(name);
    return { ...download, verification: check?.verification };
  });
}

function namesOf({ output, fileName }: Download): string[] {
  return [lastPart(output), fileName].filter((name) => name.length > 1);
}

/** A download as an entry of the inventory. */
export function describeDownload(url: Argument, verification: Verification | undefined): Found {
  // Of a URL that is a variable as a whole, the value says more.
  const written = isWebUrl(url.written) ? url.written : url.text;
  const resolved = url.missing.length === 0 && url.commands.length === 0;
  const variable =
    url.found.find(({ name }) => /VERSION|RELEASE|TAG/i.test(name)) ??
    url.found.find(({ value }) => /^v?\d/.test(value));
  const version = variable?.value ?? versionInUrl(url.text);
  const reason =
    verification?.value !== undefined
      ? "checksum"
      : version !== undefined
        ? "exact-version"
        : /\blatest\b/.test(url.text)
          ? "moving-name"
          : resolved
            ? "no-version"
            : "unknown";
  return {
    kind: "package",
    manager: "binary",
    name: guessBinaryName(written),
    ...(version === undefined ? {} : { version }),
    url: written,
    ...(resolved && url.text !== written ? { resolvedUrl: url.text } : {}),
    ...(verification === undefined ? {} : { verification }),
    ...pin(reason),
  };
}

function lastPart(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}
