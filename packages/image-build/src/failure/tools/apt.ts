import { hintOf, type Symptom, type ToolParser } from "./tool-parser.js";

const ERROR = /^E: (.+)$/;
/** `Err:1 http://… InRelease`, the reason on the next line; said again as a warning. */
const SOURCE = /^Err:\d{1,5} \S/;
const FETCH = /^W: (Failed to fetch .+|.{0,200}not signed.+|GPG error: .+)$/;
const DPKG = /^(dpkg(?:-deb)?): (?:error: (.+)|(error .+))$/;

const SYMPTOMS: readonly Symptom[] = [
  {
    pattern:
      /unable to locate package|has no installation candidate|version '.{0,200}' .* not found/i,
    hint: "apt does not know the package: run apt-get update in the same RUN, and check its name for this distribution.",
  },
  {
    pattern: /no_pubkey|not signed|gpg error/i,
    hint: "apt does not trust the repository: add its signing key, or use a newer base image.",
  },
  {
    pattern: /404 +not found|no longer has a release file|does not have a release file/i,
    hint: "The repository does not have it any more: run apt-get update in the same RUN; a release that has ended needs a newer base image.",
  },
  {
    pattern: /could not (?:open|get) lock|are you root/i,
    hint: "apt needs to be root and alone: check USER, and run one apt-get at a time.",
  },
  {
    pattern: /unmet dependencies|held broken packages/i,
    hint: "The packages do not fit together: check pinned versions and added repositories.",
  },
];

/** apt-get and dpkg of Debian and its kin. */
export const parseApt: ToolParser = (lines, at) => {
  const line = lines[at] ?? "";
  const message = ERROR.exec(line)?.[1] ?? FETCH.exec(line)?.[1];
  if (message !== undefined) {
    return {
      entry: { tool: "apt", message, hint: hintOf(SYMPTOMS, message) },
      taken: 1,
      minor: message.startsWith("Sub-process "),
    };
  }
  if (SOURCE.test(line)) {
    const reason = (lines[at + 1] ?? "").trim();
    return { entry: { tool: "apt", message: reason || line }, taken: 2, minor: true };
  }
  const dpkg = DPKG.exec(line);
  if (dpkg === null) return undefined;
  const [, tool = "dpkg", reason, consequence = ""] = dpkg;
  return { entry: { tool, message: reason ?? consequence }, taken: 1, minor: reason === undefined };
};
