/** What is known of a failed step when advice is sought. */
export interface FailedStepFacts {
  /** Upper case; empty when it is not known. */
  readonly keyword: string;
  readonly exitCode: number | undefined;
  /** The engine's error and the last lines of output, cleaned. */
  readonly text: string;
}

interface Advice {
  readonly applies: (facts: FailedStepFacts) => boolean;
  readonly hint: string;
}

const says =
  (pattern: RegExp) =>
  (facts: FailedStepFacts): boolean =>
    pattern.test(facts.text);

/** Most telling first. The text only ever chooses a hint, never an error code. */
const ADVICE: readonly Advice[] = [
  {
    applies: says(/no space left on device|ENOSPC|disk quota exceeded/i),
    hint: "The engine's disk is full: free space (molecule-provisioner gc, docker system df), then build again.",
  },
  {
    applies: says(/exec format error/i),
    hint: "The program is made for another CPU: build for the engine's own platform, or install emulation (binfmt).",
  },
  {
    applies: says(
      /temporary failure (?:resolving|in name resolution)|could ?n[o']t resolve|name or service not known|no such host|bad address|getaddrinfo|EAI_AGAIN|ENOTFOUND|ECONNREFUSED|ETIMEDOUT|ECONNRESET|network is unreachable|failed to establish a new connection|connection (?:timed out|refused|reset)|read timed out/i,
    ),
    hint: "The step cannot reach the network: check the engine's DNS and proxy (apt, pip and npm need their mirrors), then build again.",
  },
  {
    applies: says(/unable to locate package|has no installation candidate/i),
    hint: "apt does not know the package: run apt-get update in the same RUN, and check its name for this distribution.",
  },
  {
    applies: says(/no matching distribution found|could not find a version that satisfies/i),
    hint: "pip finds no such version: check its name, its version and the Python of the base image.",
  },
  {
    applies: says(/npm (?:ERR!|error).*(?:E404|ERESOLVE|ETARGET|EUSAGE)/i),
    hint: "npm refuses the dependencies: check package.json and its lockfile.",
  },
  {
    applies: (facts) =>
      facts.exitCode === 137 || says(/out of memory|cannot allocate memory/i)(facts),
    hint: "The step was killed, most likely for want of memory: give the engine more, or make the step smaller.",
  },
  {
    applies: (facts) => facts.exitCode === 127,
    hint: "The command does not exist in the image: install it in an earlier step, or correct its name.",
  },
  {
    applies: (facts) => facts.exitCode === 126 || says(/permission denied/i)(facts),
    hint: "The command may not be run: check its mode (chmod +x), its first line (#!) and USER.",
  },
  {
    applies: (facts) =>
      (facts.keyword === "COPY" || facts.keyword === "ADD") && facts.exitCode === undefined,
    hint: "The source must exist in the build context: check its name and .dockerignore.",
  },
];

const DEFAULT_HINT =
  "Look at the last lines of the step; fix the Dockerfile or what it runs, then build again.";

/** What a person can do about a step that failed. */
export function adviseOnStep(facts: FailedStepFacts): string {
  return ADVICE.find((advice) => advice.applies(facts))?.hint ?? DEFAULT_HINT;
}
