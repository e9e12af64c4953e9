import type { Lookup } from "./expand.js";

/** Layers of values under a scope before they are put together: neither deep nor copied often. */
const MAX_DEPTH = 16;

/** What ARG and ENV have set so far in one place of a Dockerfile. */
export interface Scope {
  /** ENV is seen before ARG, wherever the two stand. */
  readonly lookup: Lookup;
  setArgument(name: string, value: string | undefined): void;
  setEnvironment(name: string, value: string | undefined): void;
  /** Whether an ARG of that name has been met. */
  declares(name: string): boolean;
  /** A scope that begins with what this one holds now; later changes of either are its own. */
  inherit(): Scope;
}

interface Layer {
  readonly args: Map<string, string | undefined>;
  readonly env: Map<string, string | undefined>;
}

export function createScope(below: readonly Layer[] = []): Scope {
  let layers: readonly Layer[] = [newLayer(), ...below];
  const find = (
    kind: keyof Layer,
    name: string,
  ): { readonly value: string | undefined } | undefined => {
    for (const layer of layers) {
      if (layer[kind].has(name)) return { value: layer[kind].get(name) };
    }
    return undefined;
  };
  const set = (kind: keyof Layer, name: string, value: string | undefined): void => {
    layers[0]?.[kind].set(name, value);
  };
  return {
    lookup: (name) => (find("env", name) ?? find("args", name))?.value,
    setArgument: (name, value) => {
      set("args", name, value);
    },
    setEnvironment: (name, value) => {
      set("env", name, value);
    },
    declares: (name) => find("args", name) !== undefined,
    inherit() {
      const shared = layers.length < MAX_DEPTH ? layers : [flatten(layers)];
      layers = [newLayer(), ...shared];
      return createScope(shared);
    },
  };
}

function newLayer(): Layer {
  return { args: new Map(), env: new Map() };
}

function flatten(layers: readonly Layer[]): Layer {
  const flat = newLayer();
  for (const { args, env } of layers.toReversed()) {
    for (const [name, value] of args) flat.args.set(name, value);
    for (const [name, value] of env) flat.env.set(name, value);
  }
  return flat;
}
