import type { PackageManager } from "../inventory.js";
import type { ProgramRun } from "../shell/run-commands.js";
import { exactly, isLocalPath, isUrl, loosely, unversioned, type Found } from "./found.js";
import { operandsOf, optionNames, readOptions } from "./options.js";

const VALUED = optionNames(
  "-c --config -x --exclude --enablerepo --disablerepo --repo --repoid --releasever --installroot " +
    "--setopt --forcearch -d -e -r -t --type --from -R --rpmverbosity --root --non-interactive-include-reboot-patches",
);

/** `dnf install -y git-2.43.5-1.el9 nodejs-18.19.0 vim*` of dnf, microdnf, yum and tdnf. */
export function readRpm(manager: PackageManager, { args }: ProgramRun): Found[] {
  const packages = operandsOf(readOptions(args, VALUED).operands, ["install", "reinstall"]) ?? [];
  return packages.flatMap((argument) => {
    const { text } = argument;
    if (isLocalPath(argument) || isUrl(text) || text.endsWith(".rpm")) return [];
    if (text.includes("*")) return loosely(manager, text, "*", "range");
    const { name, version } = splitPackage(text);
    return exactly(manager, name, version);
  });
}

/** `git-2.43.5-1.el9`; a version has a dot, or `java-17-openjdk` would have one. */
function splitPackage(text: string): { readonly name: string; readonly version: string } {
  const parts = text.split("-");
  for (const at of [parts.length - 2, parts.length - 1]) {
    const [version = "", release = "0"] = parts.slice(at);
    const isVersion = /^(?:\d{1,9}:)?\d/.test(version) && version.includes(".");
    if (at > 0 && (version.startsWith("$") || (isVersion && /^\d/.test(release)))) {
      return { name: parts.slice(0, at).join("-"), version: parts.slice(at).join("-") };
    }
  }
  return { name: text, version: "" };
}

/** `zypper install -y 'git=2.43' 'curl>=8'` */
export function readZypper({ args }: ProgramRun): Found[] {
  const packages = operandsOf(readOptions(args, VALUED).operands, ["install", "in"]) ?? [];
  return packages.flatMap((argument) => {
    const { text } = argument;
    if (isLocalPath(argument) || isUrl(text) || text.startsWith("-")) return [];
    const found = /^([^<>=]+)([<>]?=|[<>])(.+)$/.exec(text);
    if (found === null) return unversioned("zypper", text);
    const [, name = "", operator = "", version = ""] = found;
    return operator === "="
      ? exactly("zypper", name, version)
      : loosely("zypper", name, operator + version, "range");
  });
}
