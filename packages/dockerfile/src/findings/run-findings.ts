import type { Finding } from "../inventory.js";
import { addedUrls } from "../managers/added-url.js";
import type { CheckedDownload } from "../managers/downloads.js";
import { shownText } from "../output/shown-text.js";
import type { ProgramRun } from "../shell/run-commands.js";
import type { Stage, Step } from "../stages/stage.js";
import { isSecretValue } from "../variables/secret-names.js";
import { finding, type FindingRule } from "./rules.js";
import { findScriptsFromNetwork } from "./script-from-network.js";
import { hasPassword } from "./variable-findings.js";

const SWITCHES_CHECKS_OFF: ReadonlyMap<string, RegExp> = new Map(
  Object.entries({
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
  }),
);

/** What is wrong in how one step of a stage fetches and runs things. */
export function findInStep(stage: Stage, step: Step): Finding[] {
  const { index } = stage;
  if (step.instruction.keyword === "ADD") return findInAdd(step, index);
  const { programs, downloads } = step;
  const scripts = findScriptsFromNetwork(programs);
  return [
    ...scripts.map((run) =>
      finding("curl-to-shell", `${shownText(run.text)} runs what the network sends.`, {
        line: run.line,
        stageIndex: index,
      }),
    ),
    ...findInDownloads(downloads, new Set(scripts.map(({ pipeline }) => pipeline)), index),
    ...findInPrograms(programs, index),
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
  downloads: readonly CheckedDownload[],
  toShell: ReadonlySet<string>,
  stageIndex: number,
): Finding[] {
  return downloads.flatMap(({ run, url, verification, isCheckFile, isQuestion }) => {
    const place = { line: run.line, stageIndex };
    const isChecked = verification !== undefined || isCheckFile;
    const isFine = isChecked || toShell.has(run.pipeline) || isQuestion;
    return [
      ...(isFine
        ? []
        : [finding("download-without-checksum", `Nothing checks ${shownText(url.text)}.`, place)]),
      ...(verification !== undefined ? [] : overHttp(url.text, place)),
    ];
  });
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

function findInPrograms(programs: readonly ProgramRun[], stageIndex: number): Finding[] {
  const found: Finding[] = [];
  for (const run of programs) {
    const add = (rule: FindingRule, message: string): void => {
      found.push(finding(rule, message, { line: run.line, stageIndex }));
    };
    if (run.wrappers.includes("sudo")) add("sudo", `${shownText(run.text)} uses sudo.`);
    const pattern = SWITCHES_CHECKS_OFF.get(run.program);
    const option = pattern && run.args.find(({ text }) => pattern.test(text));
    if (option !== undefined) {
      add("check-switched-off", `${run.program} is told ${shownText(option.text)}.`);
    }
    if (run.args.some(({ text }) => isSecretValue(text) || hasPassword(text))) {
      add("secret-in-run", `A secret is written out for ${shownText(run.program)}.`);
    }
  }
  return found;
}
