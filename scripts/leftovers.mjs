/** Names that only our tests and the workspaces they start have. */
const OURS = /^(ws-|molecule-|molecule-test\/|molecule-local\/)/;
const LABEL = /^molecule\./;
/** Made once and shared by all tests of a run; removed at its end. */
const SHARED = new Set(["image molecule-test/busybox:latest", "network molecule-monorepo-net"]);
/** Made by the command itself, kept for the next run. */
const BASE_IMAGE = /^molecule-local\/base:/;

/**
 * @typedef {object} Resource
 * @property {"container" | "volume" | "network" | "image"} kind
 * @property {string} id
 * @property {string} name
 */

/**
 * Everything of ours that is on the engine now: by label or by name.
 * @param {import("@molecule-ai/docker-engine").DockerEngine} engine
 * @param {AbortSignal} signal
 * @returns {Promise<Resource[]>}
 */
export async function listOurs(engine, signal) {
  const [containers, volumes, networks, images] = await Promise.all([
    engine.containers.list({ all: true }, { signal }),
    engine.volumes.list({}, { signal }),
    engine.networks.list({}, { signal }),
    engine.images.list({}, { signal }),
  ]);
  return oursAmong([
    ...containers.map(({ id, name, labels }) => resource("container", id, [name], labels)),
    ...volumes.map(({ name, labels }) => resource("volume", name, [name], labels)),
    ...networks.map(({ id, name, labels }) => resource("network", id, [name], labels)),
    ...images.map(({ id, tags, labels }) => resource("image", id, tags, labels)),
  ]);
}

/**
 * @param {Resource["kind"]} kind
 * @param {string} id
 * @param {readonly string[]} names
 * @param {Readonly<Record<string, string>>} labels
 */
function resource(kind, id, names, labels) {
  return { kind, id, names, labels };
}

/**
 * @param {ReturnType<typeof resource>[]} all
 * @returns {Resource[]}
 */
export function oursAmong(all) {
  return all
    .filter(
      ({ names, labels }) =>
        names.some((name) => OURS.test(name)) || Object.keys(labels).some((key) => LABEL.test(key)),
    )
    .map(({ kind, id, names }) => ({ kind, id, name: names.join(", ") || id }));
}

/**
 * What is there now and was not before; `shared` is what a whole run may leave to us to remove.
 * @param {Resource[]} before
 * @param {Resource[]} after
 */
export function leftovers(before, after) {
  /** @param {Resource} resource */
  const key = ({ kind, id, name }) => `${kind} ${id} ${name}`;
  const known = new Set(before.map(key));
  const fresh = after.filter((found) => !known.has(key(found)) && !BASE_IMAGE.test(found.name));
  return {
    shared: fresh.filter(({ kind, name }) => SHARED.has(`${kind} ${name}`)),
    left: fresh.filter(({ kind, name }) => !SHARED.has(`${kind} ${name}`)),
  };
}
