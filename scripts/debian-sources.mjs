/**
 * Where packages come from, as apt is told.
 * @typedef {object} Source
 * @property {string[]} types
 * @property {string[]} uris
 * @property {string[]} suites
 * @property {string | undefined} signedBy A keyring, or a key in lines as deb822 has it.
 */

/**
 * The text of a `.sources` file for another release of Debian, from the mirrors that this machine
 * has its own release from; undefined when there are none.
 * @param {{ name: string, text: string }[]} files What is in `/etc/apt`, by file name.
 * @param {string} ownRelease
 * @param {string} release
 */
export function sourcesOf(files, ownRelease, release) {
  const mirrors = files
    .flatMap(({ name, text }) => (name.endsWith(".sources") ? parseDeb822(text) : parseList(text)))
    .filter(({ types, suites }) => types.includes("deb") && suites.includes(ownRelease))
    .filter(({ uris }) => uris.every((uri) => !uri.startsWith("cdrom:")));
  if (mirrors.length === 0) return undefined;
  const stanzas = mirrors.map(({ uris, signedBy }) => [
    "Types: deb",
    `URIs: ${uris.join(" ")}`,
    `Suites: ${release}`,
    "Components: main",
    ...(signedBy === undefined ? [] : [`Signed-By: ${signedBy}`]),
  ]);
  return `${stanzas.map((lines) => lines.join("\n")).join("\n\n")}\n`;
}

/**
 * @param {string} text
 * @returns {Source[]}
 */
function parseDeb822(text) {
  return text.split(/\n[ \t]*\n/).flatMap((stanza) => {
    const fields = fieldsOf(stanza);
    if (/^(no|false|0|off|disable)$/i.test(fields.get("enabled")?.trim() ?? "")) return [];
    const words = (/** @type {string} */ name) =>
      (fields.get(name) ?? "").split(/\s+/).filter((word) => word !== "");
    const [types, uris, suites] = [words("types"), words("uris"), words("suites")];
    return uris.length === 0 ? [] : [{ types, uris, suites, signedBy: fields.get("signed-by") }];
  });
}

/** @param {string} stanza */
function fieldsOf(stanza) {
  /** @type {Map<string, string>} */
  const fields = new Map();
  let name = "";
  for (const line of stanza.split("\n")) {
    if (line.startsWith("#")) continue;
    const field = /^([A-Za-z0-9-]+):(.*)$/.exec(line);
    if (field !== null) {
      name = (field[1] ?? "").toLowerCase();
      fields.set(name, (field[2] ?? "").trim());
    } else if (/^[ \t]/.test(line) && name !== "") {
      fields.set(name, `${fields.get(name) ?? ""}\n${line.trimEnd()}`);
    }
  }
  return fields;
}

/**
 * @param {string} text
 * @returns {Source[]}
 */
function parseList(text) {
  return text.split("\n").flatMap((line) => {
    const match = /^[ \t]*(deb(?:-src)?)[ \t]+(?:\[([^\]]*)\][ \t]+)?(\S+)[ \t]+(\S+)/.exec(line);
    if (match === null) return [];
    const [, type = "", options = "", uri = "", suite = ""] = match;
    const signedBy = /(?:^|\s)signed-by=(\S+)/i.exec(options)?.[1];
    return [{ types: [type], uris: [uri], suites: [suite], signedBy }];
  });
}
