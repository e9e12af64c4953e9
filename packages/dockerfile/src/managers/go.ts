import type { ProgramRun } from "../shell/run-commands.js";
import { exactly, isLocalPath, loosely, pin, unversioned, type Found } from "./found.js";
import { operandsOf, optionNames, readOptions } from "./options.js";

const VALUED = optionNames(
  "-C -p -asmflags -buildmode -compiler -gccgoflags -gcflags -installsuffix -ldflags -mod -modfile " +
    "-overlay -pkgdir -tags -toolexec -o",
);

/** `go install example.com/tool@v1.2.3`, `go get`, `go mod download`. */
export function readGo({ args }: ProgramRun): Found[] {
  const { operands } = readOptions(args, VALUED);
  if (operands[0]?.text === "mod" && operands[1]?.text === "download" && operands.length === 2) {
    return [{ kind: "file", manager: "go", path: "go.sum", locked: true }];
  }
  return (operandsOf(operands, ["install", "get"]) ?? []).map((argument) => {
    const { text } = argument;
    if (isLocalPath(argument)) {
      return { kind: "package", manager: "go", name: text, ...pin("local") };
    }
    const at = text.lastIndexOf("@");
    if (at === -1) return unversioned("go", text);
    const name = text.slice(0, at);
    const version = text.slice(at + 1);
    const isExact = version.includes("$") || /^v\d|^[0-9a-f]{7,40}$/.test(version);
    return isExact ? exactly("go", name, version) : loosely("go", name, version, "moving-name");
  });
}
