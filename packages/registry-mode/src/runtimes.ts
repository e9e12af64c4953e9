import { RegistryModeError } from "./errors.js";
import { closestName } from "./closest-name.js";
import type { Environment } from "./registry.js";
import { isRuntimeName, requireRuntimeName } from "./runtime-name.js";
import { parseTemplateRef } from "./template-ref.js";

/** The runtimes known without any setting, in alphabetical order. */
export const KNOWN_RUNTIMES: readonly string[] = [
  "autogen",
  "claude-code",
  "codex",
  "crewai",
  "deepagents",
  "gemini-cli",
  "hermes",
  "langgraph",
  "openclaw",
];

const MIRRORED = new Set(["autogen", "claude-code", "hermes", "langgraph"]);

/** The runtime of a workspace that names none. */
export const DEFAULT_RUNTIME = "langgraph";

export interface Runtime {
  readonly name: string;
  /** `extra` for the operator's own. */
  readonly origin: "built-in" | "extra";
  /** True when its template is known to be at the default repository prefix; says nothing of other prefixes. */
  readonly mirrored: boolean;
  /** Branch, tag or commit of the template to build; undefined for `main` or the default branch. */
  readonly templateRef: string | undefined;
}

/** The allow-list of runtimes. Whatever is not on it is refused before anything is touched. */
export interface RuntimeRegistry {
  /** All names, alphabetical. */
  readonly names: readonly string[];
  /** All runtimes, in the order of `names`. */
  readonly runtimes: readonly Runtime[];
  isKnown(name: string): boolean;
  /** Throws `ERR_RUNTIME_NAME_INVALID` for what is no name at all, `ERR_RUNTIME_UNKNOWN` for the rest. */
  require(name: string): Runtime;
}

export interface RuntimeRegistryOptions {
  /** The operator's own runtimes. */
  readonly extra?: readonly string[] | undefined;
  /** Branch, tag or commit by runtime name. */
  readonly templateRefs?: Readonly<Record<string, string>> | undefined;
}

/**
 * Makes the allow-list. Throws `ERR_RUNTIME_NAME_INVALID` for a bad name, `ERR_RUNTIME_REF_INVALID`
 * for a bad template ref and `ERR_RUNTIME_UNKNOWN` for the ref of a runtime that is not listed.
 */
export function createRuntimeRegistry(options: RuntimeRegistryOptions = {}): RuntimeRegistry {
  const extra = (options.extra ?? []).map((name) => requireRuntimeName(name));
  const names = [...new Set([...KNOWN_RUNTIMES, ...extra])].sort();
  const refs = new Map(Object.entries(options.templateRefs ?? {}));

  const byName = new Map<string, Runtime>();
  for (const name of names) {
    const ref = refs.get(name);
    byName.set(name, {
      name,
      origin: KNOWN_RUNTIMES.includes(name) ? "built-in" : "extra",
      mirrored: MIRRORED.has(name),
      templateRef: ref === undefined ? undefined : parseTemplateRef(ref),
    });
  }

  const registry: RuntimeRegistry = {
    names,
    runtimes: [...byName.values()],
    isKnown: (name) => byName.has(name),
    require(name) {
      const runtime = byName.get(name);
      if (runtime !== undefined) return runtime;
      const hint = hintFor(name, names);
      requireRuntimeName(name, hint);
      throw new RegistryModeError("ERR_RUNTIME_UNKNOWN", `Runtime "${name}" is not known.`, {
        hint,
        details: { runtime: name, known: names },
      });
    },
  };
  for (const name of refs.keys()) registry.require(name);
  return registry;
}

/**
 * The allow-list as the environment has it: the nine, `MOLECULE_EXTRA_RUNTIMES` (names separated by
 * commas) and `MOLECULE_TEMPLATE_REF_<RUNTIME>` (upper case, `_` for `-`; a branch, tag or commit).
 * Throws what {@link createRuntimeRegistry} throws, with the variable in the message.
 */
export function runtimesFromEnv(env: Environment): RuntimeRegistry {
  const extra = extraRuntimes(env["MOLECULE_EXTRA_RUNTIMES"] ?? "");
  const variables = new Map(
    [...KNOWN_RUNTIMES, ...extra].map((name) => [templateRefVariable(name), name]),
  );
  const templateRefs: Record<string, string> = {};
  for (const [variable, value] of Object.entries(env)) {
    if (!variable.startsWith(TEMPLATE_REF) || value === undefined || value === "") continue;
    const name = variables.get(variable);
    if (name === undefined) {
      throw new RegistryModeError(
        "ERR_RUNTIME_UNKNOWN",
        `${variable} names a runtime that is not known.`,
        { hint: `Unset it, or add the runtime to MOLECULE_EXTRA_RUNTIMES.`, details: { variable } },
      );
    }
    templateRefs[name] = parseTemplateRef(value, variable);
  }
  return createRuntimeRegistry({ extra, templateRefs });
}

const TEMPLATE_REF = "MOLECULE_TEMPLATE_REF_";

/** The variable that chooses the template ref of `runtime`, e.g. `MOLECULE_TEMPLATE_REF_CLAUDE_CODE`. */
export function templateRefVariable(runtime: string): string {
  return TEMPLATE_REF + requireRuntimeName(runtime).replaceAll("-", "_").toUpperCase();
}

function extraRuntimes(list: string): string[] {
  const names = list
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "");
  for (const name of names) {
    if (isRuntimeName(name)) continue;
    throw new RegistryModeError(
      "ERR_RUNTIME_NAME_INVALID",
      `MOLECULE_EXTRA_RUNTIMES lists ${JSON.stringify(name.slice(0, 80))}, which cannot be the name of a runtime.`,
      { hint: "Separate names with commas; use lower-case letters, digits and single hyphens." },
    );
  }
  return names;
}

function hintFor(name: string, names: readonly string[]): string {
  const closest = closestName(name, names);
  const list = `Known runtimes: ${names.join(", ")}. Add your own with MOLECULE_EXTRA_RUNTIMES.`;
  return closest === undefined ? list : `Did you mean "${closest}"? ${list}`;
}
