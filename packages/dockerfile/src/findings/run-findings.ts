import type { Finding } from "../inventory.js";
import { addedUrls } from "../managers/added-url.js";
import { findDownloads, isCheckFile, matchChecks, type Download } from "../managers/downloads.js";
import { findChecks } from "../managers/verification.js";
import { shownText } from "../output/shown-text.js";
import type { ProgramRun } from "../shell/run-commands.js";
import type { Stage, Step } from "../stages/stage.js";
import { isSecretValue } from "../variables/secret-names.js";
import { finding } from "./rules.js";
import { findScriptsFromNetwork } from "./script-from-network.js";
import { hasPassword } from "./variable-findings.js";

const SWITCHES_CHECKS_OFF: Readonly<Record<string, RegExp>> = {
  apk: /^--allow-untrusted$/,
  apt: /^--(?:allow-unauthenticated|force-yes)$/,
  "apt-get": /^--(?:allow-unauthenticated|force-yes)$/,
  curl: /^(?:--insecure|-[a-zA-Z]*k[a-zA-Z]*)$/,
  dnf: /^--nogpgcheck$/,
  git: /^http\.sslverify=(?:false|0)$/i,
  microdnf: /^--nogpgcheck$/,
  npm: /^--strict-ssl=false$/,
  pip: /^--trusted-host(?:=|$)/,
  pip3: /^--trusted-host(?:=|$)/,
  wget: /^--no-check-certificate$/,
  yum: /^--nogpgcheck$/,
  zypper: /^--no-gpg-checks$/,
};

/** What is wrong in how one step of a stage fetches and runs things. */
export function findInStep(stage: Stage, step: Step): Finding[] {
  const { index } = stage;
  if (step.instruction.keyword === "ADD") return findInAdd(step, index);
  const { programs } = step;
  const scripts = findScriptsFromNetwork(programs);
  return [
    ...scripts.map((run) =>
      finding("curl-to-shell", `${shownText(run.text)} runs what the network sends.`, {
        line: run.line,
        stageIndex: index,
      }),
    ),
    ...findInDownloads(programs, new Set(scripts.map(({ pipeline }) => pipeline)), index),
    ...programs.flatMap((run) => findInProgram(run, index)),
  ];
}

function findInAdd(step: Step, stageIndex: number): Finding[] {
  const place = { line: step.instruction.line, stageIndex };
  return addedUrls(step).flatMap(({ url, checksum, isRepository }) => [
    ...(checksum === undefined && !isRepository
      ? [finding("add-url-without-checksum", `Nothing checks ${shownText(url.text)}.`, place)]
      : []),
    ...overHttp(url.text, place),
  ]);
}

function findInDownloads(
  programs: readonly ProgramRun[],
  toShell: ReadonlySet<string>,
  stageIndex: number,
): Finding[] {
  const downloads = findDownloads(programs);
  if (downloads.length === 0) return [];
  const checks = matchChecks(downloads, findChecks(programs));
  return downloads.flatMap((download) => {
    const { run, url } = download;
    const place = { line: run.line, stageIndex };
    const isFine =
      isCheckFile(url.text) ||
      checks.has(download) ||
      toShell.has(run.pipeline) ||
      isQuestion(download);
    return [
      ...(isFine
        ? []
        : [finding("download-without-checksum", `Nothing checks ${shownText(url.text)}.`, place)]),
      ...(checks.has(download) ? [] : overHttp(url.text, place)),
    ];
  });
}

/** HEAD, uploads, and what only looks whether a server answers, bring nothing into the image. */
function isQuestion({ run }: Download): boolean {
  return (
    run.args.some(({ text }) => /^(?:-I|--head|--spider|-T|--upload-file)$/.test(text)) ||
    run.redirections.some(({ target }) => target.parts[0]?.text === "/dev/null")
  );
}

function overHttp(
  url: string,
  place: { readonly line: number; readonly stageIndex: number },
): Finding[] {
  const isPlain = /^http:\/\//i.test(url) && !/^http:\/\/(?:localhost|127\.|\[::1\])/i.test(url);
  return isPlain
    ? [finding("download-over-http", `${shownText(url)} is not encrypted.`, place)]
    : [];
}

function findInProgram(run: ProgramRun, stageIndex: number): Finding[] {
  const place = { line: run.line, stageIndex };
  const found: Finding[] = [];
  if (run.wrappers.includes("sudo")) {
    found.push(finding("sudo", `${shownText(run.text)} uses sudo.`, place));
  }
  const pattern = Object.hasOwn(SWITCHES_CHECKS_OFF, run.program)
    ? SWITCHES_CHECKS_OFF[run.program]
    : undefined;
  const option = run.args.find(({ text }) => pattern?.test(text) === true);
  if (option !== undefined) {
    const message = `${run.program} is told ${shownText(option.text)}.`;
    found.push(finding("check-switched-off", message, place));
  }
  const holdsSecret = run.args.some(({ text }) => isSecretValue(text) || hasPassword(text));
  if (holdsSecret) {
    found.push(
      finding("secret-in-run", `A secret is written out for ${shownText(run.program)}.`, place),
    );
  }
  return found;
}
