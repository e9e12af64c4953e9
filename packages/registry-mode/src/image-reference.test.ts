import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  familiarName,
  familiarReference,
  formatImageReference,
  isDigest,
  parseImageReference,
  registryHost,
} from "./image-reference.js";

const SHA256 = `sha256:${"f".repeat(64)}`;
const SHA384 = `sha384:${"f".repeat(96)}`;
const SHA512 = `sha512:${"f".repeat(128)}`;

interface Row {
  readonly input: string;
  readonly domain: string;
  readonly path: string;
  readonly tag?: string;
  readonly digest?: string;
  readonly familiar: string;
}

// The cases of distribution/reference's own tables (reference_test.go and normalize_test.go).
const VALID: readonly Row[] = [
  { input: "test_com", domain: "docker.io", path: "library/test_com", familiar: "test_com" },
  {
    input: "test.com:tag",
    domain: "docker.io",
    path: "library/test.com",
    tag: "tag",
    familiar: "test.com",
  },
  {
    input: "test.com:5000",
    domain: "docker.io",
    path: "library/test.com",
    tag: "5000",
    familiar: "test.com",
  },
  {
    input: "test.com/repo:tag",
    domain: "test.com",
    path: "repo",
    tag: "tag",
    familiar: "test.com/repo",
  },
  { input: "test:5000/repo", domain: "test:5000", path: "repo", familiar: "test:5000/repo" },
  {
    input: "test:5000/repo:tag",
    domain: "test:5000",
    path: "repo",
    tag: "tag",
    familiar: "test:5000/repo",
  },
  {
    input: `test:5000/repo@${SHA256}`,
    domain: "test:5000",
    path: "repo",
    digest: SHA256,
    familiar: "test:5000/repo",
  },
  {
    input: `test:5000/repo:tag@${SHA256}`,
    domain: "test:5000",
    path: "repo",
    tag: "tag",
    digest: SHA256,
    familiar: "test:5000/repo",
  },
  {
    input: `test:5000/repo@${SHA384}`,
    domain: "test:5000",
    path: "repo",
    digest: SHA384,
    familiar: "test:5000/repo",
  },
  {
    input: `test:5000/repo@${SHA512}`,
    domain: "test:5000",
    path: "repo",
    digest: SHA512,
    familiar: "test:5000/repo",
  },
  {
    input: "lowercase:Uppercase",
    domain: "docker.io",
    path: "library/lowercase",
    tag: "Uppercase",
    familiar: "lowercase",
  },
  {
    input: "Uppercase/lowercase:tag",
    domain: "Uppercase",
    path: "lowercase",
    tag: "tag",
    familiar: "Uppercase/lowercase",
  },
  {
    input: `domain/${"a/".repeat(123)}a:tag`,
    domain: "docker.io",
    path: `domain/${"a/".repeat(123)}a`,
    tag: "tag",
    familiar: `domain/${"a/".repeat(123)}a`,
  },
  {
    input: "sub-dom1.foo.com/bar/baz/quux:some-long-tag",
    domain: "sub-dom1.foo.com",
    path: "bar/baz/quux",
    tag: "some-long-tag",
    familiar: "sub-dom1.foo.com/bar/baz/quux",
  },
  {
    input: "b.gcr.io/test.example.com/my-app:test.example.com",
    domain: "b.gcr.io",
    path: "test.example.com/my-app",
    tag: "test.example.com",
    familiar: "b.gcr.io/test.example.com/my-app",
  },
  {
    // A snowman as IDNA writes it.
    input: "xn--n3h.com/myimage:xn--n3h.com",
    domain: "xn--n3h.com",
    path: "myimage",
    tag: "xn--n3h.com",
    familiar: "xn--n3h.com/myimage",
  },
  {
    // What looks like a tag and a port is a name and a tag.
    input: "foo_bar.com:8080",
    domain: "docker.io",
    path: "library/foo_bar.com",
    tag: "8080",
    familiar: "foo_bar.com",
  },
  {
    input: "foo/foo_bar.com:8080",
    domain: "docker.io",
    path: "foo/foo_bar.com",
    tag: "8080",
    familiar: "foo/foo_bar.com",
  },
  {
    input: "192.168.1.1:5000/repo:tag",
    domain: "192.168.1.1:5000",
    path: "repo",
    tag: "tag",
    familiar: "192.168.1.1:5000/repo",
  },
  { input: "192.168.1.1/repo", domain: "192.168.1.1", path: "repo", familiar: "192.168.1.1/repo" },
  {
    input: "[2001:db8::1]:5000/repo:tag",
    domain: "[2001:db8::1]:5000",
    path: "repo",
    tag: "tag",
    familiar: "[2001:db8::1]:5000/repo",
  },
  {
    input: "[2001:db8::1]/repo",
    domain: "[2001:db8::1]",
    path: "repo",
    familiar: "[2001:db8::1]/repo",
  },
  { input: "[::1]/repo", domain: "[::1]", path: "repo", familiar: "[::1]/repo" },
  {
    input: "localhost/repo",
    domain: "localhost",
    path: "repo",
    familiar: "localhost/repo",
  },
  {
    input: "localhost:5000/repo",
    domain: "localhost:5000",
    path: "repo",
    familiar: "localhost:5000/repo",
  },
  // Docker Hub's short names.
  { input: "redis", domain: "docker.io", path: "library/redis", familiar: "redis" },
  { input: "library/redis", domain: "docker.io", path: "library/redis", familiar: "redis" },
  { input: "docker.io/redis", domain: "docker.io", path: "library/redis", familiar: "redis" },
  {
    input: "docker.io/library/redis",
    domain: "docker.io",
    path: "library/redis",
    familiar: "redis",
  },
  { input: "index.docker.io/redis", domain: "docker.io", path: "library/redis", familiar: "redis" },
  {
    input: "index.docker.io/library/redis:7",
    domain: "docker.io",
    path: "library/redis",
    tag: "7",
    familiar: "redis",
  },
  {
    input: "dmcgowan/myapp",
    domain: "docker.io",
    path: "dmcgowan/myapp",
    familiar: "dmcgowan/myapp",
  },
  {
    input: "docker.io/dmcgowan/myapp",
    domain: "docker.io",
    path: "dmcgowan/myapp",
    familiar: "dmcgowan/myapp",
  },
  {
    input: "library/foo/bar",
    domain: "docker.io",
    path: "library/foo/bar",
    familiar: "library/foo/bar",
  },
  {
    input: "store/foo/bar",
    domain: "docker.io",
    path: "store/foo/bar",
    familiar: "store/foo/bar",
  },
  // Separators inside a path component.
  { input: "foo--bar", domain: "docker.io", path: "library/foo--bar", familiar: "foo--bar" },
  { input: "foo__bar", domain: "docker.io", path: "library/foo__bar", familiar: "foo__bar" },
];

const INVALID: readonly (readonly [string, string])[] = [
  ["", "empty"],
  [":justtag", "no name before the tag"],
  [`@${SHA256}`, "no name before the digest"],
  ["repo@sha256:ffffffffffffffffffffffffffffffffff", "a digest too short"],
  [`validname@invaliddigest:${"f".repeat(128)}`, "a digest of an unknown algorithm"],
  [`repo@sha256:${"F".repeat(64)}`, "a digest in upper case"],
  [`repo@sha512:${"f".repeat(64)}`, "a digest of the wrong length"],
  [`repo@${SHA256}@${SHA256}`, "two digests"],
  [`repo@${SHA256}:tag`, "a tag after the digest"],
  ["repo@", "an empty digest"],
  ["repo:", "an empty tag"],
  ["foo:", "an empty tag"],
  ["repo:a:b", "two tags"],
  [`repo:${"a".repeat(129)}`, "a tag of 129"],
  ["repo:-tag", "a tag that starts with a hyphen"],
  ["repo:.tag", "a tag that starts with a dot"],
  ["repo:tag\n", "a line end"],
  ["Uppercase:tag", "an upper-case name"],
  ["test:5000/Uppercase/lowercase:tag", "an upper-case namespace"],
  ["foo/Uppercase", "an upper-case repository"],
  [`${"a/".repeat(128)}a:tag`, "a repository name of 257"],
  [`test:5000/${"a".repeat(256)}`, "a repository name of 256"],
  ["aa/asdf$$^/aa", "characters outside the grammar"],
  ["[fe80::1%eth0]:5000/repo", "an address with a zone"],
  ["[2001:db8:3:4::192.0.2.33]/repo", "an address that ends in IPv4"],
  ["[2001:db8::1/repo", "an unclosed address"],
  ["2001:db8::1/repo", "an address without brackets"],
  ["::1/repo", "an address without brackets"],
  ["[::1]", "an address without a repository"],
  ["-foo.com/bar", "a host that starts with a hyphen"],
  ["foo-.com/bar", "a host part that ends with a hyphen"],
  ["foo_bar.com/repo", "a host with an underscore"],
  ["foo.com:port/repo", "a port that is no number"],
  ["foo.com:/repo", "an empty port"],
  ["-docker/docker", "a namespace that starts with a hyphen"],
  ["docker-/docker", "a namespace that ends with a hyphen"],
  ["docker///docker", "empty path parts"],
  ["/docker", "an empty first part"],
  ["docker/", "an empty last part"],
  ["a//b", "an empty middle part"],
  ["foo___bar", "three underscores"],
  ["foo._bar", "two different separators"],
  ["foo..bar", "two dots"],
  [".foo", "a leading dot"],
  ["foo.", "a trailing dot"],
  ["_foo", "a leading underscore"],
  ["../etc/passwd", "a path out of the registry"],
  ["foo/../bar", "a path out of the repository"],
  ["foo bar", "a space"],
  [" foo", "a leading space"],
  ["https://ghcr.io/foo", "a scheme"],
  ["user@ghcr.io/foo", "a user"],
  ["f".repeat(64), "an image id"],
  [`domain.com/${"a/".repeat(600)}a`, "more than any reference can have"],
  ["ghcr.io/föö", "letters outside ASCII"],
];

describe("parseImageReference", () => {
  it.each(VALID)("reads $input", ({ input, domain, path, tag, digest, familiar }) => {
    const reference = parseImageReference(input);
    expect(reference).toEqual({ domain, path, tag, digest });
    expect(familiarName(reference)).toBe(familiar);
    expect(registryHost(input)).toBe(domain);
  });

  it.each(INVALID)("refuses %j: %s", (input) => {
    expect(() => parseImageReference(input)).toThrow(
      expect.objectContaining({ code: "ERR_IMAGE_REFERENCE_INVALID" }),
    );
  });

  it("takes a repository name of 255 characters and none longer", () => {
    const longest = `test:5000/${"a".repeat(255)}`;
    expect(parseImageReference(longest).path).toHaveLength(255);
    expect(() => parseImageReference(`${longest}a`)).toThrow("longer than 255");
  });

  it("keeps the tag out of the repository when a digest follows", () => {
    const reference = parseImageReference(`ghcr.io/acme/app:1.2@${SHA256}`);
    expect(reference.path).toBe("acme/app");
    expect(familiarReference(reference)).toBe(`ghcr.io/acme/app:1.2@${SHA256}`);
  });

  it("says which part is wrong, and prints no control character", () => {
    expect(() => parseImageReference("Repo")).toThrow("must be lower case");
    expect(() => parseImageReference("a\u001b[31mb")).not.toThrow("\u001b");
  });

  it("reads in no time what is made to be slow", () => {
    for (const text of [`${"a-".repeat(500)}!`, `${"a".repeat(1000)}.!/x`, "a/".repeat(511)]) {
      expect(() => parseImageReference(text)).toThrow();
    }
  });
});

const alphanumeric = fc.stringMatching(/^[a-z0-9]{1,8}$/);
const separator = fc.constantFrom(".", "_", "__", "-", "---");
const component = fc
  .tuple(alphanumeric, fc.array(fc.tuple(separator, alphanumeric), { maxLength: 2 }))
  .map(([head, tail]) => head + tail.map((pair) => pair.join("")).join(""));
const domain = fc
  .oneof(
    fc.constantFrom("localhost", "docker.io", "ghcr.io", "[::1]", "[2001:DB8::1]", "REGISTRY"),
    fc.domain(),
  )
  .chain((host) =>
    fc.option(fc.nat(65535)).map((port) => (port === null ? host : `${host}:${port}`)),
  );
const path = fc
  .array(component, { minLength: 1, maxLength: 4 })
  .map((components) => components.join("/"));
const tag = fc.stringMatching(/^[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,20}$/);
const digest = fc.stringMatching(/^[a-f0-9]{64}$/).map((hex) => `sha256:${hex}`);

describe("formatImageReference", () => {
  it("is undone by the parser, whole and familiar", () => {
    fc.assert(
      fc.property(
        domain,
        path,
        fc.option(tag, { nil: undefined }),
        fc.option(digest, { nil: undefined }),
        (host, repository, label, hash) => {
          const text =
            `${host}/${repository}` +
            (label === undefined ? "" : `:${label}`) +
            (hash === undefined ? "" : `@${hash}`);
          const reference = parseImageReference(text);
          expect(reference.tag).toBe(label);
          expect(reference.digest).toBe(hash);
          expect(parseImageReference(formatImageReference(reference))).toEqual(reference);
          expect(parseImageReference(familiarReference(reference))).toEqual(reference);
        },
      ),
    );
  });

  it("gives back whatever the parser takes, or the parser throws its one error", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ maxLength: 80, unit: "binary" }),
          fc
            .array(
              fc.constantFrom("a", "A", "0", ".", ":", "/", "@", "-", "_", "[", "]", "sha256:"),
            )
            .map((parts) => parts.join("")),
        ),
        (text) => {
          try {
            const reference = parseImageReference(text);
            expect(parseImageReference(formatImageReference(reference))).toEqual(reference);
          } catch (error) {
            expect(error).toMatchObject({ code: "ERR_IMAGE_REFERENCE_INVALID" });
          }
        },
      ),
      { numRuns: 2000 },
    );
  });
});

describe("familiarName", () => {
  it.each(["docker.io/foo.bar/baz", "docker.io/localhost/baz", "docker.io/library/foo/bar"])(
    "does not cut %s to the name of something else",
    (name) => {
      expect(parseImageReference(familiarName(parseImageReference(name)))).toEqual(
        parseImageReference(name),
      );
    },
  );
});

describe("isDigest", () => {
  it("takes whole digests of the three algorithms only", () => {
    expect([SHA256, SHA384, SHA512].every(isDigest)).toBe(true);
    expect(
      ["", "sha256:", "f".repeat(64), `md5:${"f".repeat(32)}`, `${SHA256}f`].some(isDigest),
    ).toBe(false);
  });
});
