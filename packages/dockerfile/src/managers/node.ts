import type { PackageManager } from "../inventory.js";
import type { Argument } from "../shell/argument.js";
import type { ProgramRun } from "../shell/run-commands.js";
import { exactly, isLocalPath, isUrl, loosely, pin, unversioned, type Found } from "./found.js";
import { operandsOf, optionNames, readOptions } from "./options.js";

const VALUED = optionNames(
  "--prefix -C --dir --cwd --registry --tag --omit --include --only --loglevel --cache -w --workspace " +
    "--filter -F --store-dir --modules-folder --cache-folder --network-timeout --network-concurrency " +
    "--userconfig --script-shell --before --install-strategy --reporter --mutex",
);
const COREPACK_VALUED = optionNames("--install-directory");

const EXACT = /^v?\d+\.\d+\.\d+(?:[-+][\w.+-]*)?$/;

/** `npm install -g typescript@5.4.2`, `npm i`, `npm ci`. */
export function readNpm({ args }: ProgramRun): Found[] {
  const { operands } = readOptions(args, VALUED);
  if (/^(?:ci|clean-install|install-clean|ic)$/.test(operands[0]?.text ?? "")) {
    return [file("npm", "package-lock.json", true)];
  }
  const packages = operandsOf(operands, ["install", "i", "add", "in", "isntall"]);
  if (packages === undefined) return [];
  return packages.length === 0 ? [file("npm", "package.json", false)] : readAll("npm", packages);
}

/** `pnpm add`, `pnpm install --frozen-lockfile`. */
export function readPnpm({ args }: ProgramRun): Found[] {
  const options = readOptions(args, VALUED);
  const packages = operandsOf(options.operands, ["add", "install", "i"]);
  if (packages === undefined) {
    return options.operands[0]?.text === "fetch" ? [file("pnpm", "pnpm-lock.yaml", true)] : [];
  }
  if (packages.length > 0) return readAll("pnpm", packages);
  return [file("pnpm", "pnpm-lock.yaml", options.has("--frozen-lockfile"))];
}

/** `yarn add`, `yarn global add`, `yarn install --immutable`, `yarn`. */
export function readYarn({ args }: ProgramRun): Found[] {
  const options = readOptions(args, VALUED);
  const operands = operandsOf(options.operands, ["global"]) ?? options.operands;
  const packages = operandsOf(operands, ["add"]);
  if (packages !== undefined) return readAll("yarn", packages);
  const installs = operands.length === 0 || operands[0]?.text === "install";
  if (!installs || options.has("--version", "--help", "-v")) return [];
  const locked = options.has("--frozen-lockfile", "--immutable");
  return [file("yarn", "yarn.lock", locked)];
}

/** `corepack prepare pnpm@9.1.0 --activate`, `corepack install -g yarn@4`. */
export function readCorepack({ args }: ProgramRun): Found[] {
  const { operands } = readOptions(args, COREPACK_VALUED);
  return readAll("npm", operandsOf(operands, ["prepare", "install", "use"]) ?? []);
}

function readAll(manager: PackageManager, packages: readonly Argument[]): Found[] {
  return packages.flatMap((argument) => readSpecifier(manager, argument));
}

function readSpecifier(manager: PackageManager, argument: Argument): Found[] {
  const { text } = argument;
  if (isLocalPath(argument) || (text.endsWith(".tgz") && !isUrl(text))) return [];
  if (isUrl(text) || /^(?:github|gitlab|bitbucket|git):|^[\w.-]+\/[\w.-]+(?:#|$)/.test(text)) {
    const isCommit = /#[0-9a-f]{40}$/.test(text);
    return [{ kind: "package", manager, name: text, ...pin(isCommit ? "digest" : "moving-name") }];
  }
  const at = text.indexOf("@", 1);
  if (at === -1) return [unversioned(manager, text)];
  const name = text.slice(0, at);
  const version = text.slice(at + 1);
  if (version === "" || version.includes("$") || EXACT.test(version)) {
    return [exactly(manager, name, version)];
  }
  const reason = /^[a-z]/i.test(version) ? "moving-name" : "range";
  return [loosely(manager, name, version, reason)];
}

function file(manager: PackageManager, path: string, locked: boolean): Found {
  return { kind: "file", manager, path, locked };
}
