/** A Linux distribution an image is made from. */
export interface Distribution {
  readonly name: string;
  /** Empty when it is not told. */
  readonly version: string;
}

const CODENAMES: ReadonlyMap<string, Distribution> = new Map(
  Object.entries({
    trixie: { name: "debian", version: "13" },
    bookworm: { name: "debian", version: "12" },
    bullseye: { name: "debian", version: "11" },
    buster: { name: "debian", version: "10" },
    noble: { name: "ubuntu", version: "24.04" },
    jammy: { name: "ubuntu", version: "22.04" },
    focal: { name: "ubuntu", version: "20.04" },
  }),
);
const NAMED = ["alpine", "debian", "ubuntu"];

/** The distribution that a tag's suffix names: `alpine3.23`, `slim-bookworm`. */
export function distributionOf(suffix: string): Distribution | undefined {
  for (const part of suffix.split("-")) {
    const name = NAMED.find((known) => part.startsWith(known));
    if (name !== undefined) return { name, version: part.slice(name.length) };
    const codename = [...CODENAMES.keys()].find((known) => part.startsWith(known));
    if (codename !== undefined) return CODENAMES.get(codename);
  }
  return undefined;
}

/** The distribution whose packages an image has, as far as its name tells. */
export function distributionOfImage(
  name: string,
  version: string,
  suffix: string,
): Distribution | undefined {
  if (!NAMED.includes(name)) return distributionOf(suffix);
  return { name, version: CODENAMES.get(version)?.version ?? version };
}
