import type { Argument } from "./argument.js";

/** A program that runs the program named in its arguments. */
interface Wrapper {
  /** Options whose value is the next argument. */
  readonly valued: string;
  /** Operands before the program. */
  readonly operands: number;
}

const WRAPPERS: ReadonlyMap<string, Wrapper> = new Map(
  Object.entries({
    builtin: { valued: "", operands: 0 },
    chroot: { valued: "", operands: 1 },
    chrt: { valued: "", operands: 1 },
    command: { valued: "", operands: 0 },
    doas: { valued: "-u -C", operands: 0 },
    eatmydata: { valued: "", operands: 0 },
    env: { valued: "-u --unset -C --chdir", operands: 0 },
    exec: { valued: "-a", operands: 0 },
    fakeroot: { valued: "-l -s -i -b", operands: 0 },
    flock: { valued: "-w -E --timeout", operands: 1 },
    gosu: { valued: "", operands: 1 },
    ionice: { valued: "-c -n -p", operands: 0 },
    nice: { valued: "-n --adjustment", operands: 0 },
    nohup: { valued: "", operands: 0 },
    setarch: { valued: "", operands: 1 },
    stdbuf: { valued: "-i -o -e", operands: 0 },
    "su-exec": { valued: "", operands: 1 },
    sudo: { valued: "-u -g -h -p -C -r -t -T -U -D -R --user --group", operands: 0 },
    time: { valued: "-f -o", operands: 0 },
    timeout: { valued: "-s -k --signal --kill-after", operands: 1 },
    xargs: { valued: "-a -n -P -I -d -L -s -E --arg-file --max-args --max-procs", operands: 0 },
  }),
);

export const SHELLS: ReadonlySet<string> = new Set(["sh", "bash", "ash", "dash", "ksh", "zsh"]);

/** Name of a program without its directory. */
export function programName(text: string): string {
  return text.slice(text.lastIndexOf("/") + 1);
}

export function isAssignment(text: string): boolean {
  return /^[A-Za-z_]\w*\+?=/.test(text);
}

/** The program behind `sudo`, `env A=b`, `timeout 5 …`, and the wrappers passed on the way. */
export function unwrap(args: readonly Argument[]): {
  readonly args: readonly Argument[];
  readonly wrappers: readonly string[];
} {
  const wrappers: string[] = [];
  let at = skipAssignments(args, 0);
  while (at < args.length) {
    const name = programName(args[at]?.text ?? "");
    const wrapper = WRAPPERS.get(name);
    if (wrapper === undefined) break;
    const valued = wrapper.valued.split(" ");
    let next = at + 1;
    while (next < args.length && isOption(args[next]?.text)) {
      next += valued.includes(args[next]?.text ?? "") ? 2 : 1;
    }
    next = skipAssignments(args, next) + wrapper.operands;
    wrappers.push(name);
    at = skipAssignments(args, next);
  }
  return { args: args.slice(at), wrappers };
}

function skipAssignments(args: readonly Argument[], from: number): number {
  let at = from;
  while (at < args.length && isAssignment(args[at]?.written ?? "")) at += 1;
  return at;
}

function isOption(text: string | undefined): boolean {
  return text !== undefined && text.startsWith("-") && text.length > 1;
}

/** The script in `sh -euxc '…'`, `bash -o pipefail -c "…"` or `su user -c '…'`, and where it stands. */
export function commandString(program: string, args: readonly Argument[]): Argument | undefined {
  if (!SHELLS.has(program) && program !== "su") return undefined;
  let takesString = false;
  for (let at = 0; at < args.length; at += 1) {
    const text = args[at]?.text ?? "";
    if (text === "--command") takesString = true;
    else if (/^--?command=/.test(text)) return args[at];
    else if (/^[-+][A-Za-z]+$/.test(text)) {
      if (text.includes("c") && text.startsWith("-")) takesString = true;
      if (/[oO]$/.test(text)) at += 1;
    } else if (!text.startsWith("-")) {
      if (takesString) return args[at];
      if (program !== "su") return undefined;
    }
  }
  return undefined;
}
