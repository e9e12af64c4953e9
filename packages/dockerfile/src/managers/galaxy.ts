import type { ProgramRun } from "../shell/run-commands.js";
import { exactly, isLocalPath, isUrl, loosely, pin, unversioned, type Found } from "./found.js";
import { operandsOf, optionNames, readOptions } from "./options.js";

const VALUED = optionNames(
  "-r --requirements-file --role-file -p --collections-path --roles-path -s --server --api-key " +
    "--token --timeout --keyring --signature --required-valid-signature-count",
);

/** `ansible-galaxy collection install community.general:8.1.0`, of roles with a comma. */
export function readGalaxy({ args }: ProgramRun): Found[] {
  const options = readOptions(args, VALUED);
  const behindKind = operandsOf(options.operands, ["collection", "role"]) ?? options.operands;
  const items = operandsOf(behindKind, ["install"]);
  if (items === undefined) return [];
  const files = options
    .values("-r", "--requirements-file", "--role-file")
    .map((path): Found => ({ kind: "file", manager: "galaxy", path, locked: false }));
  const packages = items.flatMap((argument): Found[] => {
    const { text } = argument;
    if (isLocalPath(argument) || text.endsWith(".tar.gz")) return [];
    if (isUrl(text) || text.startsWith("git+")) {
      return [{ kind: "package", manager: "galaxy", name: text, ...pin("moving-name") }];
    }
    const separator = Math.max(text.lastIndexOf(":"), text.indexOf(","));
    if (separator === -1) return [unversioned("galaxy", text)];
    const name = text.slice(0, separator);
    const version = text.slice(separator + 1).replace(/^==/, "");
    return /[<>*!,]/.test(version)
      ? [loosely("galaxy", name, version, "range")]
      : [exactly("galaxy", name, version)];
  });
  return [...packages, ...files];
}
