import { Spec, Validation } from "@cyclonedx/cyclonedx-library";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { extractInventory, formatCycloneDx } from "../src/index.js";
import { dockerfiles } from "./support.js";

const DIGEST = `sha256:${"0".repeat(64)}`;
const TEXT = `FROM --platform=linux/amd64 ghcr.io/team/base:1.2@${DIGEST} AS base
ARG V=1.2.3
RUN apt-get install -y git=1:2.39 vim
RUN pip install Foo_Bar==1.0 baz>2 git+https://x.io/q.git@v1
RUN npm i -g @scope/x@1.0.0 y@^2
RUN go install example.com/a/b@v1.0.0
RUN curl -O https://x.io/tool-$V.tgz && echo "${"a".repeat(64)}  tool-$V.tgz" | sha256sum -c
FROM alpine:3.20
RUN apk add curl
COPY --from=base / /
`;

interface Component {
  readonly name: string;
  readonly version?: string;
  readonly purl?: string;
  readonly hashes?: readonly { readonly alg: string; readonly content: string }[];
  readonly properties: readonly { readonly name: string; readonly value: string }[];
}

async function componentsOf(text: string): Promise<readonly Component[]> {
  const document = JSON.parse(await formatCycloneDx(extractInventory(text))) as {
    readonly components: readonly Component[];
  };
  return document.components;
}

describe("formatCycloneDx", () => {
  const validator = new Validation.JsonStrictValidator(Spec.Version.v1dot6);

  it("is valid CycloneDX 1.6", async () => {
    const document = await formatCycloneDx(extractInventory(TEXT), {
      name: "workspace-template",
      version: "1.0",
      timestamp: new Date("2026-11-29T10:00:00Z"),
    });
    expect(await validator.validate(document)).toBeNull();
    expect(JSON.parse(document)).toMatchObject({
      bomFormat: "CycloneDX",
      specVersion: "1.6",
      metadata: {
        timestamp: "2026-11-29T10:00:00.000Z",
        component: { type: "container", name: "workspace-template", version: "1.0" },
      },
    });
  });

  it("is valid for any Dockerfile", { timeout: 120_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(dockerfiles, async (text) => {
        fc.pre(!text.includes("\0"));
        expect(await validator.validate(await formatCycloneDx(extractInventory(text)))).toBeNull();
      }),
      { numRuns: 100 },
    );
  });

  it("names packages by their package URL, versions only where there is one", async () => {
    const found = (await componentsOf(TEXT)).map(
      ({ name, version = "-", purl = "-" }) => `${name} ${version} ${purl}`,
    );
    expect(found.toSorted()).toEqual([
      "@scope/x 1.0.0 pkg:npm/%40scope/x@1.0.0",
      "Foo_Bar 1.0 pkg:pypi/foo-bar@1.0",
      "alpine 3.20 pkg:docker/library/alpine@3.20",
      `base 1.2 pkg:oci/base@${DIGEST}?repository_url=ghcr.io%2Fteam%2Fbase&tag=1.2`,
      "baz - pkg:pypi/baz",
      "curl - pkg:apk/alpine/curl?distro=alpine-3.20",
      "example.com/a/b v1.0.0 pkg:golang/example.com/a/b@v1.0.0",
      "git 1:2.39 pkg:deb/debian/git@1:2.39",
      "q - -",
      `tool 1.2.3 pkg:generic/tool@1.2.3?checksum=sha256%3A${"a".repeat(64)}&download_url=https%3A%2F%2Fx.io%2Ftool-1.2.3.tgz`,
      "vim - pkg:deb/debian/vim",
      "y - pkg:npm/y",
    ]);
  });

  it("says where each component stands and whether it ships", async () => {
    const components = await componentsOf(TEXT);
    const tool = components.find(({ name }) => name === "tool");
    expect(tool?.hashes).toEqual([{ alg: "SHA-256", content: "a".repeat(64) }]);
    const properties = Object.fromEntries(
      tool?.properties.map(({ name, value }) => [name, value]) ?? [],
    );
    expect(properties).toEqual({
      "molecule:manager": "binary",
      "molecule:requested": "1.2.3",
      "molecule:verified-by": "sha256",
      "molecule:pinned": "true",
      "molecule:pin-reason": "checksum",
      "molecule:line": "7",
      "molecule:stage": "base",
      "molecule:final": "false",
      "molecule:ships": "partly",
    });
  });

  it("is the same for the same inventory", async () => {
    const inventory = extractInventory(TEXT);
    expect(await formatCycloneDx(inventory)).toBe(await formatCycloneDx(inventory));
  });
});
