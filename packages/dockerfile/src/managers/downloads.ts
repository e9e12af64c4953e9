import type { InventoryPackage } from "../inventory.js";
import { redirectsTo, type ProgramRun } from "../shell/run-commands.js";
import type { Argument } from "../shell/argument.js";
import { fileNameOf, guessBinaryName, versionInUrl } from "./binary-name.js";
import { pin, type Found } from "./found.js";
import { readOptions } from "./options.js";
import type { Check } from "./verification.js";

const VALUED: Readonly<Record<string, string>> = {
  curl:
    "-o --output -H --header -d --data --data-raw --data-binary -X --request -u --user -A " +
    "--user-agent -e --referer -b --cookie -c --cookie-jar -m --max-time --connect-timeout --retry " +
    "--retry-delay --retry-max-time -x --proxy --cacert --capath -E --cert --key -w --write-out -T " +
    "--upload-file --output-dir -F --form --proto --resolve --limit-rate -r --range -K --config " +
    "--max-redirs --create-file-mode",
  wget:
    "-O --output-document -o --output-file -P --directory-prefix -t --tries -T --timeout --header " +
    "-U --user-agent --user --password --post-data -i --input-file -e --execute -w --wait -a " +
    "--append-output --waitretry --connect-timeout --read-timeout --dns-timeout --retry-on-http-error",
};
/** What is fetched to check something else by. */
const CHECK_FILE =
  /(?:\.(?:sha\d{1,3}|sha\d{1,3}sum|md5|asc|sig|sigstore|pem|minisig)|sums?(?:\d{1,3})?(?:\.txt)?|checksums?\.txt)$/i;

/** A file that a program fetches. */
export interface Download {
  readonly url: Argument;
  /** Name of the file it is stored in, when it is. */
  readonly output: string | undefined;
  readonly run: ProgramRun;
}

/** The downloads among the programs of one RUN. */
export function findDownloads(runs: readonly ProgramRun[]): Download[] {
  return runs.flatMap((run) => {
    const valued = VALUED[run.program];
    if (valued === undefined) return [];
    const options = readOptions(run.args, valued);
    const given = options.values(
      ...(run.program === "curl" ? ["-o", "--output"] : ["-O", "--output-document"]),
    );
    const urls = [
      ...options.operands,
      ...options.values("--url").map((text) => ({ ...NO_ARGUMENT, text, written: text })),
    ].filter(({ text, written }) => isWebUrl(text) || isWebUrl(written));
    return urls.map((url, index) => {
      const output = given[index] ?? redirectsTo(run);
      const stored = output === undefined || output === "-" ? undefined : output;
      return { url, output: stored ?? fileNameOf(url.text), run };
    });
  });
}

const NO_ARGUMENT = { found: [], missing: [], commands: [] };

export function isWebUrl(text: string): boolean {
  return /^(?:https?|ftp):\/\/./i.test(text);
}

export function isCheckFile(url: string): boolean {
  return CHECK_FILE.test(fileNameOf(url));
}

/**
 * The check of each download: the one that names its file, or else one that names no download's
 * file, such as `sha256sum -c SHA256SUMS`.
 */
export function matchChecks(
  downloads: readonly Download[],
  checks: readonly Check[],
): ReadonlyMap<Download, Check> {
  const byName = new Map<string, Check>();
  for (const check of checks) for (const name of check.mentions) byName.set(name, check);
  const wanted = downloads.filter(({ url }) => !isCheckFile(url.text));
  const known = new Set(wanted.flatMap(namesOf));
  const general = checks.find(({ mentions }) => ![...mentions].some((name) => known.has(name)));
  const matched = new Map<Download, Check>();
  for (const download of wanted) {
    const name = namesOf(download).find((candidate) => byName.has(candidate));
    const check = name === undefined ? general : byName.get(name);
    if (check !== undefined) matched.set(download, check);
  }
  return matched;
}

function namesOf({ output, url }: Download): string[] {
  return [lastPart(output ?? ""), fileNameOf(url.text)].filter((name) => name.length > 1);
}

/** A download as an entry of the inventory. */
export function describeDownload(
  url: Argument,
  verification: InventoryPackage["verification"],
): Found {
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
    name: guessBinaryName(url.written),
    ...(version === undefined ? {} : { version }),
    url: url.written,
    ...(resolved && url.text !== url.written ? { resolvedUrl: url.text } : {}),
    ...(verification === undefined ? {} : { verification }),
    ...pin(reason),
  };
}

function lastPart(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}
