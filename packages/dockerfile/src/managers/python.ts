import type { PackageManager } from "../inventory.js";
import type { Argument } from "../shell/argument.js";
import type { ProgramRun } from "../shell/run-commands.js";
import { exactly, isLocalPath, unversioned, type Found } from "./found.js";
import { operandsOf, optionNames, type Options, readOptions } from "./options.js";
import { readRequirement } from "./python-requirement.js";

const VALUED = optionNames(
  "-r --requirement --requirements -c --constraint --constraints -e --editable -t --target -i " +
    "--index-url --index --default-index --extra-index-url -f --find-links --prefix --root --src " +
    "--cache-dir -p --python --platform --python-version --implementation --abi --trusted-host " +
    "--proxy --timeout --retries --cert --client-cert --progress-bar --log --no-binary " +
    "--only-binary --upgrade-strategy -C --config-settings --global-option --build-option " +
    "--root-user-action --report --use-feature --use-deprecated --override --with --from --group " +
    "-G --source --suffix --pip-args --extra -E --extras --only --without --directory --project -P " +
    "--upgrade-package --index-strategy --prerelease --resolution --link-mode --exclude-newer",
);

/** `pip install`, also as `pip3.12` and `python -m pip`. */
export function readPip({ args }: ProgramRun): Found[] {
  return readInstall("pip", readOptions(args, VALUED), ["install"]);
}

/** `python -m pip …`, `python -m pipx …`, … are those programs. */
export function moduleRun(run: ProgramRun): ProgramRun | undefined {
  const at = run.args.findIndex(({ text }) => text === "-m");
  const isFirstOperand = run.args
    .slice(0, Math.max(at, 0))
    .every(({ text }) => text.startsWith("-"));
  const program = at === -1 || !isFirstOperand ? undefined : run.args[at + 1]?.text;
  return program === undefined ? undefined : { ...run, program, args: run.args.slice(at + 2) };
}

/** `uv pip install`, `uv add`, `uv tool install`, `uv sync`. */
export function readUv({ args }: ProgramRun): Found[] {
  const options = readOptions(args, VALUED);
  const [first, ...rest] = options.operands;
  switch (first?.text) {
    case "pip":
      return rest[0]?.text === "sync"
        ? rest.slice(1).map(({ text }) => file("uv", text, true))
        : readInstall("uv", { ...options, operands: rest }, ["install"]);
    case "tool":
      return readInstall("uv", { ...options, operands: rest }, ["install"]);
    case "add":
      return readInstall("uv", options, ["add"]);
    case "sync":
      return [file("uv", "uv.lock", options.has("--locked", "--frozen"))];
    default:
      return [];
  }
}

/** `poetry add`, `poetry install`, `poetry sync`. */
export function readPoetry({ args }: ProgramRun): Found[] {
  const options = readOptions(args, VALUED);
  const [first, ...rest] = options.operands;
  if (first?.text === "install" || first?.text === "sync") {
    return [file("poetry", "poetry.lock", true)];
  }
  if (first?.text !== "add") return [];
  return rest.flatMap((argument) => {
    const [, name, version] = /^([\w.-]+)@(\d[\w.]*)$/.exec(argument.text) ?? [];
    if (name === undefined || version === undefined) return readRequirement("poetry", argument);
    return [exactly("poetry", name, version)];
  });
}

/** `pipx install ruff==0.5.0`, `pipx inject env package`. */
export function readPipx({ args }: ProgramRun): Found[] {
  const options = readOptions(args, VALUED);
  const injected = operandsOf(options.operands, ["inject"]);
  if (injected !== undefined) return readAll("pipx", injected.slice(1));
  return readInstall("pipx", options, ["install"]);
}

function readInstall(
  manager: PackageManager,
  options: Options,
  subcommands: readonly string[],
): Found[] {
  const packages = operandsOf(options.operands, subcommands);
  if (packages === undefined) return [];
  const hashed = options.has("--require-hashes");
  return [
    ...readAll(manager, packages),
    ...options.values("-e", "--editable").flatMap((text) => fromSource(manager, text)),
    ...options
      .values("-r", "--requirement", "--requirements")
      .map((path) => file(manager, path, hashed)),
  ];
}

function readAll(manager: PackageManager, packages: readonly Argument[]): Found[] {
  return packages.flatMap((argument) => readRequirement(manager, argument));
}

/** Of what is installed from source, repositories count; directories are the build context's. */
function fromSource(manager: PackageManager, text: string): Found[] {
  const argument: Argument = { text, written: text, found: [], missing: [], commands: [] };
  if (isLocalPath(argument) || !text.includes("://")) return [];
  const read = readRequirement(manager, argument);
  return read.length > 0 ? read : [unversioned(manager, text)];
}

function file(manager: PackageManager, path: string, locked: boolean): Found {
  return { kind: "file", manager, path, locked };
}
