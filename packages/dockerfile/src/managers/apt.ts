import type { ProgramRun } from "../shell/run-commands.js";
import { exactly, isLocalPath, loosely, unversioned, type Found } from "./found.js";
import { operandsOf, optionNames, readOptions } from "./options.js";

const VALUED = optionNames(
  "-t --target-release --default-release -o --option -c --config-file -a --host-architecture",
);

/** `apt-get install -y git=1:2.39.5-0+deb12u2 curl/bookworm-backports vim:arm64 nano-` */
export function readApt({ args }: ProgramRun): Found[] {
  const packages =
    operandsOf(readOptions(args, VALUED).operands, ["install", "reinstall", "satisfy"]) ?? [];
  return packages.flatMap((argument) => {
    const { text } = argument;
    // `name-` removes; a version may end so, too.
    if (isLocalPath(argument) || text.endsWith(".deb") || /^[^=]+-$/.test(text)) return [];
    const equals = text.indexOf("=");
    if (equals !== -1) {
      const version = text.slice(equals + 1);
      const name = bareName(text.slice(0, equals));
      return version.includes("*")
        ? loosely("apt", name, version, "range")
        : exactly("apt", name, version);
    }
    const slash = text.indexOf("/");
    return slash === -1
      ? unversioned("apt", bareName(text))
      : loosely("apt", bareName(text.slice(0, slash)), text.slice(slash + 1), "moving-name");
  });
}

/** Without `:arch` and the `+` that says install. */
function bareName(text: string): string {
  return text.replace(/:[a-z0-9-]+$/, "").replace(/(?<!\+)\+$/, "");
}
