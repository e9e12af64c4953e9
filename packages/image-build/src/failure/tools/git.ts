import { hintOf, type Symptom, type ToolParser } from "./tool-parser.js";

const FATAL = /^fatal: (.+)$/;
const ERROR =
  /^error: ((?:pathspec|RPC failed|cannot lock|unable to|failed to (?:push|fetch)|could not (?:lock|read|apply)|The requested URL returned|Server does not allow request).*)$/;
const SSH = /^(?:\S{1,200}: )?(Permission denied \(publickey.*|Host key verification failed\.)$/;

const SYMPTOMS: readonly Symptom[] = [
  {
    pattern: /could not read (?:username|password)|authentication failed|invalid username/i,
    hint: "git has no credentials: give a token as a build secret, never as a build argument.",
  },
  {
    pattern: /permission denied \(publickey|host key verification/i,
    hint: "ssh has no key or does not know the host: use RUN --mount=type=ssh and a known_hosts file.",
  },
  {
    pattern: /repository .* (?:does not exist|not found)|not appear to be a git repository/i,
    hint: "There is no such repository, or it does not show itself without credentials: check its URL.",
  },
  {
    pattern: /dubious ownership/i,
    hint: "The files belong to another user: chown them, or add the directory to git's safe.directory.",
  },
  {
    pattern: /not a git repository/i,
    hint: "The context holds no .git: give the version as a build argument instead.",
  },
  {
    pattern: /pathspec|remote branch .* not found|couldn't find remote ref/i,
    hint: "There is no such branch, tag or file: check its name.",
  },
];

/** git, and the ssh below it. */
export const parseGit: ToolParser = (lines, at) => {
  const line = lines[at] ?? "";
  const message = FATAL.exec(line)?.[1] ?? ERROR.exec(line)?.[1] ?? SSH.exec(line)?.[1];
  if (message === undefined) return undefined;
  return { entry: { tool: "git", message, hint: hintOf(SYMPTOMS, message) }, taken: 1 };
};
