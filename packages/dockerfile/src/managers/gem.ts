import type { ProgramRun } from "../shell/run-commands.js";
import { exactly, loosely, unversioned, type Found } from "./found.js";
import { operandsOf, optionNames, readOptions } from "./options.js";

const VALUED = optionNames(
  "-v --version -i --install-dir -n --bindir --platform -P --trust-policy -s --source --build-root " +
    "--document -g --file --without -r -j --jobs --retry --path --gemfile --with",
);

/** `gem install bundler -v 2.5.6`, `gem install rake:13.1.0`. */
export function readGem({ args }: ProgramRun): Found[] {
  const options = readOptions(args, VALUED);
  const gems = operandsOf(options.operands, ["install", "i"]) ?? [];
  const [shared] = options.values("-v", "--version");
  return gems.flatMap(({ text }) => {
    if (text.endsWith(".gem")) return [];
    const [name = "", own] = text.split(":");
    const version = own ?? shared;
    if (version === undefined) return [unversioned("gem", name)];
    return /^=?\s*[\d$][^,\s]*$/.test(version)
      ? [exactly("gem", name, version.replace(/^=\s*/, ""))]
      : [loosely("gem", name, version, "range")];
  });
}

/** `bundle install` */
export function readBundle({ args }: ProgramRun): Found[] {
  const { operands } = readOptions(args, VALUED);
  const installs = operands.length === 0 || operands[0]?.text === "install";
  return installs ? [{ kind: "file", manager: "gem", path: "Gemfile.lock", locked: true }] : [];
}
