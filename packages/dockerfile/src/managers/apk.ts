import type { ProgramRun } from "../shell/run-commands.js";
import { exactly, isLocalPath, loosely, unversioned, type Found } from "./found.js";
import { operandsOf, optionNames, readOptions } from "./options.js";

const VALUED = optionNames(
  "-t --virtual -X --repository -p --root --arch --keys-dir --repositories-file --cache-dir " +
    "--cache-max-age --timeout --wait --progress-fd",
);

/** `apk add git=2.45.1-r0 'curl~=8' nodejs@edge` */
export function readApk({ args }: ProgramRun): Found[] {
  const packages = operandsOf(readOptions(args, VALUED).operands, ["add"]) ?? [];
  return packages.flatMap((argument) => {
    const { text } = argument;
    if (isLocalPath(argument) || text.startsWith("!")) return [];
    const found = /^([^<>=~@]+)(=|[<>~]=?|=~|><)(.*)$/.exec(text);
    if (found === null) {
      const [name = "", repository] = text.split("@");
      return repository === undefined
        ? unversioned("apk", name)
        : loosely("apk", name, `@${repository}`, "moving-name");
    }
    const [, name = "", operator, version = ""] = found;
    return operator === "="
      ? exactly("apk", name, version)
      : loosely("apk", name, `${operator}${version}`, "range");
  });
}
