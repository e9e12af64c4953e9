import { constants } from "node:fs";
import { open, stat } from "node:fs/promises";
import { dirname, isAbsolute, join, resolve } from "node:path";

/** What a checkout says of itself; undefined where it does not say it. */
export interface GitFacts {
  /** URL of the remote `origin`. */
  readonly remote: string | undefined;
  /** The branch HEAD points at; undefined when it is detached. */
  readonly branch: string | undefined;
  /** The root of the working tree. */
  readonly rootDirectory: string | undefined;
}

const LONGEST_FILE = 256 * 1024;
const DEEPEST = 64;

/**
 * Reads HEAD and the remote of the checkout that holds `directory`, from its files: no program of a
 * repository we do not trust is run. Also for worktrees and submodules. Never throws for what it
 * finds, also nothing.
 */
export async function readGitFacts(directory: string): Promise<GitFacts> {
  let root = resolve(directory);
  for (let depth = 0; depth < DEEPEST; depth++) {
    const git = await gitDirectory(join(root, ".git"));
    if (git !== undefined) {
      const [head, config] = await Promise.all([
        readText(join(git, "HEAD")),
        readText(join(await commonDirectory(git), "config")),
      ]);
      return {
        remote: config === undefined ? undefined : originOf(config),
        branch: /^ref: refs\/heads\/(\S{1,1024})\s*$/.exec(head ?? "")?.[1],
        rootDirectory: root,
      };
    }
    if (dirname(root) === root) break;
    root = dirname(root);
  }
  return { remote: undefined, branch: undefined, rootDirectory: undefined };
}

/** The value of `remote.origin.url` of a git configuration; the last one wins. Linear, never throws. */
export function originOf(config: string): string | undefined {
  let inOrigin = false;
  let url: string | undefined;
  for (const raw of config.split("\n")) {
    const line = raw.trim();
    if (line.startsWith("[")) {
      inOrigin = /^\[remote\s{1,8}"origin"\]/i.test(line);
      continue;
    }
    const equals = line.indexOf("=");
    if (!inOrigin || equals === -1 || line.slice(0, equals).trim().toLowerCase() !== "url")
      continue;
    url = line
      .slice(equals + 1)
      .trim()
      .replace(/^"(.*)"$/, "$1");
  }
  return url === "" ? undefined : url;
}

/** `.git` itself, or where a `.git` file points. */
async function gitDirectory(path: string): Promise<string | undefined> {
  try {
    if ((await stat(path)).isDirectory()) return path;
  } catch {
    return undefined;
  }
  const target = /^gitdir: (.{1,4096})$/m.exec((await readText(path)) ?? "")?.[1]?.trim();
  if (target === undefined) return undefined;
  return isAbsolute(target) ? target : resolve(dirname(path), target);
}

/** A worktree has its HEAD to itself and its configuration in common with the others. */
async function commonDirectory(git: string): Promise<string> {
  const common = (await readText(join(git, "commondir")))?.trim();
  return common === undefined || common === "" ? git : resolve(git, common);
}

async function readText(path: string): Promise<string | undefined> {
  try {
    // Does not wait for the other end of a pipe that somebody put there.
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const found = await file.stat();
      if (!found.isFile() || found.size > LONGEST_FILE) return undefined;
      return await file.readFile("utf8");
    } finally {
      await file.close();
    }
  } catch {
    return undefined;
  }
}
