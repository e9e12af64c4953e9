/** The oldest Node we promise. */
export const NODE_FLOOR = "20.19.0";

/**
 * Ends the process with advice when this Node is too old for the rest of the scripts.
 * @param {string} version As in `process.version`.
 */
export function requireNode(version) {
  if (isAtLeast(version, NODE_FLOOR)) return;
  console.error(
    `Node ${version} is too old: install Node ${NODE_FLOOR} or newer and run it again.`,
  );
  process.exit(1);
}

/**
 * @param {string} version
 * @param {string} floor
 */
export function isAtLeast(version, floor) {
  const have = version.replace(/^v/, "").split(/[.-]/).map(Number);
  const want = floor.split(".").map(Number);
  for (const [index, least] of want.entries()) {
    const part = have[index] ?? 0;
    if (part !== least) return part > least;
  }
  return true;
}
