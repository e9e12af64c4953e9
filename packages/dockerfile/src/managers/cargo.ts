import type { ProgramRun } from "../shell/run-commands.js";
import { exactly, loosely, pin, unversioned, type Found } from "./found.js";
import { operandsOf, optionNames, readOptions } from "./options.js";

const VALUED = optionNames(
  "--version --vers --git --branch --tag --rev --path --root --features -F --bin --example --target " +
    "--target-dir --index --registry --profile -j --jobs --color --config -Z --bins",
);

/** `cargo install ripgrep --version 14.1.0`, `cargo install ripgrep@14.1.0`, `cargo binstall`. */
export function readCargo({ args }: ProgramRun): Found[] {
  const toolchain = args[0]?.text.startsWith("+") === true ? args.slice(1) : args;
  const options = readOptions(toolchain, VALUED);
  const crates = operandsOf(options.operands, ["install", "binstall"]);
  if (crates === undefined || options.has("--path")) return [];
  const [git] = options.values("--git");
  if (git !== undefined) {
    const [revision] = options.values("--rev");
    const [tag] = options.values("--tag");
    const version = revision ?? tag ?? options.values("--branch")[0];
    return [
      {
        kind: "package",
        manager: "cargo",
        name: crates[0]?.text ?? git,
        ...(version === undefined ? {} : { version }),
        url: git,
        ...pin(revision !== undefined ? "digest" : "moving-name"),
      },
    ];
  }
  const [shared] = options.values("--version", "--vers");
  return crates.map(({ text }) => {
    const [name = "", own] = text.split("@");
    const version = own ?? shared;
    if (version === undefined) return unversioned("cargo", name);
    return /^=?\s*(?:\d+\.\d+\.\d+|\$)/.test(version)
      ? exactly("cargo", name, version.replace(/^=\s*/, ""))
      : loosely("cargo", name, version, "range");
  });
}
