import { describe, expect, it } from "vitest";
import { sourcesOf } from "../debian-sources.mjs";

/** @param {string} name @param {string} text */
const rewritten = (name, text) => sourcesOf([{ name, text }], "bookworm", "trixie");

describe("the sources of another release", () => {
  it("are those of the machine's own release in deb822, with their key", () => {
    const text = `Types: deb deb-src
# a comment
URIs: http://mirror.example.com/debian
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/debian.gpg

Types: deb
URIs: http://mirror.example.com/debian-security
Suites: bookworm-security
Components: main
`;
    expect(rewritten("sources.list.d/debian.sources", text)).toBe(`Types: deb
URIs: http://mirror.example.com/debian
Suites: trixie
Components: main
Signed-By: /usr/share/keyrings/debian.gpg
`);
  });

  it("keep a key that is written into them", () => {
    const text =
      "Types: deb\nURIs: http://m/d\nSuites: bookworm\nSigned-By:\n -----BEGIN\n .\n abc\n";
    expect(rewritten("x.sources", text)).toContain("Signed-By: \n -----BEGIN\n .\n abc\n");
  });

  it("are those of one-line files, with their options", () => {
    const text = `# deb http://off.example.com/debian bookworm main
deb-src http://src.example.com/debian bookworm main
deb http://third.example.com/party stable main
deb [arch=amd64 signed-by=/k.gpg] http://mirror.example.com/debian bookworm main contrib
deb cdrom:[Debian] bookworm main
deb http://mirror.example.com/debian bookworm-updates main
`;
    expect(rewritten("sources.list", text)).toBe(`Types: deb
URIs: http://mirror.example.com/debian
Suites: trixie
Components: main
Signed-By: /k.gpg
`);
  });

  it("leave out what is switched off, and are none when nothing is left", () => {
    const text = "Enabled: no\nTypes: deb\nURIs: http://m/d\nSuites: bookworm\nComponents: main\n";
    expect(rewritten("x.sources", text)).toBeUndefined();
    expect(rewritten("x.sources", text.replace("no", "yes"))).toContain("Suites: trixie");
    expect(rewritten("sources.list", "deb http://m/u noble main\n")).toBeUndefined();
    expect(sourcesOf([], "bookworm", "trixie")).toBeUndefined();
  });
});
