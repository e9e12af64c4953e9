import { constants } from "node:fs";
import { open, readdir, realpath } from "node:fs/promises";
import { join } from "node:path";
import { ServerError } from "../errors.js";
import { MOST_CONFIG_BYTES, parseTemplateConfig, type TemplateConfig } from "./template-config.js";

/** A template below the configs directory. */
export interface ConfigTemplate extends Omit<TemplateConfig, "name"> {
  /** Name of its directory. */
  readonly name: string;
  /** Name it gives itself. */
  readonly title: string | undefined;
  /** Real path of its directory. */
  readonly path: string;
  readonly configYaml: Uint8Array;
}

/** The templates that a request may name. */
export interface TemplateCatalog {
  /**
   * Undefined when there is none of that name, or no configs directory.
   *
   * @throws ServerError `ERR_REQUEST_INVALID` for a name that is not the name of a directory there,
   *   and for a template whose config.yaml is not readable.
   */
  find(name: string): Promise<ConfigTemplate | undefined>;
  /** All that are readable, by name. */
  list(): Promise<readonly ConfigTemplate[]>;
  /** The longest time to provision that templates declare, by runtime; read once. */
  provisionTimeouts(): Promise<ReadonlyMap<string, number>>;
}

const NAME = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;

/** Most templates that are listed; a directory with more is not one of templates. */
const MOST_TEMPLATES = 1000;

/** True for what can be the name of a template: one directory, never a way out. */
export function isTemplateName(name: string): boolean {
  return NAME.test(name);
}

export function createTemplateCatalog(configsDirectory: string | undefined): TemplateCatalog {
  let timeouts: Promise<ReadonlyMap<string, number>> | undefined;

  const find = async (name: string): Promise<ConfigTemplate | undefined> => {
    if (!isTemplateName(name)) {
      throw invalid(name, "is not the name of a template", "Give the name of one directory.");
    }
    if (configsDirectory === undefined) return undefined;
    const root = await findDirectory(configsDirectory);
    const path = root && (await findDirectory(join(root, name)));
    if (root === undefined || path === undefined) return undefined;
    if (path !== join(root, name)) {
      throw invalid(name, "leaves the configs directory", "Replace the link by a directory.");
    }
    const configYaml = await readConfigYaml(join(path, "config.yaml"), name);
    const config = configYaml && parseTemplateConfig(configYaml);
    if (config === undefined || configYaml === undefined) {
      throw invalid(name, "has no readable config.yaml", "Correct it: it must be a YAML mapping.");
    }
    const { name: title, ...rest } = config;
    return { ...rest, name, title, path, configYaml };
  };

  const list = async (): Promise<readonly ConfigTemplate[]> => {
    const root = configsDirectory && (await findDirectory(configsDirectory));
    if (root === undefined || root === "") return [];
    const names = (await readdir(root)).filter(isTemplateName).sort().slice(0, MOST_TEMPLATES);
    const found: ConfigTemplate[] = [];
    for (const name of names) {
      try {
        const template = await find(name);
        if (template !== undefined) found.push(template);
      } catch (error) {
        if (!(error instanceof ServerError)) throw error;
      }
    }
    return found;
  };

  const readTimeouts = async (): Promise<ReadonlyMap<string, number>> => {
    const longest = new Map<string, number>();
    for (const { runtime, provisionTimeoutMs } of await list()) {
      if (runtime === undefined || provisionTimeoutMs === undefined) continue;
      longest.set(runtime, Math.max(longest.get(runtime) ?? 0, provisionTimeoutMs));
    }
    return longest;
  };

  return {
    find,
    list,
    async provisionTimeouts() {
      timeouts ??= readTimeouts();
      try {
        return await timeouts;
      } catch (error) {
        timeouts = undefined;
        throw error;
      }
    },
  };
}

/** Real path of a directory; undefined when there is none. */
async function findDirectory(path: string): Promise<string | undefined> {
  try {
    const real = await realpath(path);
    await readdir(real);
    return real;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw error;
  }
}

/** Undefined for what is absent, no regular file, a link, or too long. */
async function readConfigYaml(path: string, name: string): Promise<Buffer | undefined> {
  try {
    // Without O_NONBLOCK a pipe of that name would be waited for.
    const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      const stat = await file.stat();
      if (!stat.isFile() || stat.size > MOST_CONFIG_BYTES) return undefined;
      return await file.readFile();
    } finally {
      await file.close();
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ELOOP" || code === "EISDIR") return undefined;
    throw invalid(name, "cannot be read", "Let the user of the server read it.", error);
  }
}

function invalid(name: string, problem: string, hint: string, cause?: unknown): ServerError {
  const shown = name.slice(0, 80);
  return new ServerError("ERR_REQUEST_INVALID", `Template ${JSON.stringify(shown)} ${problem}.`, {
    hint,
    details: { template: shown },
    ...(cause === undefined ? {} : { cause }),
  });
}
