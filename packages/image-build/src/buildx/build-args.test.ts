import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { BuildOptions } from "../image-builder.js";
import { buildxBuildArgs, buildxCheckArgs } from "./build-args.js";
import { formatAttributes } from "./csv-attributes.js";
import { secretEnvironment } from "./secrets.js";

const render = (options: Partial<BuildOptions>): readonly string[] =>
  buildxBuildArgs({ options: { tags: [], output: { load: false }, ...options }, context: "-" });

/** The fields of a record of `encoding/csv`. */
function parseCsv(text: string): string[] {
  const fields: string[] = [];
  for (let at = 0; at <= text.length; at += 1) {
    let field = "";
    if (text[at] === '"') {
      for (at += 1; text[at] !== '"' || text[at + 1] === '"'; at += 1) {
        if (text[at] === '"') at += 1;
        field += text[at] ?? "";
      }
      at += 1;
    } else {
      for (; at < text.length && text[at] !== ","; at += 1) field += text[at] ?? "";
    }
    fields.push(field);
  }
  return fields;
}

describe("the arguments of a build with buildx", () => {
  it("are all there, in their order", () => {
    const args = buildxBuildArgs({
      builder: "b",
      progress: "rawjson",
      dockerfile: "Dockerfile",
      metadataFile: "/m.json",
      context: "-",
      options: {
        tags: ["r/a:1", "r/a:2"],
        target: "t",
        platforms: ["linux/amd64", "linux/arm64"],
        buildArgs: { B: "2", A: "1" },
        labels: { z: "1", a: "x=y" },
        annotations: { "index:k": "v" },
        secrets: [
          { id: "z", source: { kind: "value", value: "hidden" } },
          { id: "a", source: { kind: "file", path: "/p,q" } },
        ],
        ssh: [{}, { id: "k", keyFiles: ["/1", "/2"] }, { id: "s", agentSocket: "/s" }],
        namedContexts: {
          two: { kind: "image", reference: "r/b:1" },
          one: { kind: "directory", path: "/d" },
          git: { kind: "git", url: "https://h/r.git", commit: "a".repeat(40) },
          oci: { kind: "oci-layout", path: "/o", digest: "sha256:1" },
        },
        noCache: true,
        pull: true,
        attestations: { provenance: "max", sbom: { generator: "r/s:1" } },
        output: { push: true, load: true, ociLayout: "/oci", directory: "/files" },
        cache: {
          imports: [{ type: "registry", ref: "r/a:c", direction: "import" }],
          exports: [
            {
              type: "local",
              ref: "/c",
              direction: "export",
              mode: "max",
              attributes: { compression: "zstd" },
            },
          ],
        },
      },
    });
    expect(args.join(" ")).toBe(
      "build --progress=rawjson --builder b --file Dockerfile --target t --platform linux/amd64,linux/arm64 " +
        "--build-arg A=1 --build-arg B=2 --label a=x=y --label z=1 --annotation index:k=v " +
        "--tag r/a:1 --tag r/a:2 --metadata-file /m.json " +
        '--secret id=a,"src=/p,q" --secret id=z,env=MOLECULE_BUILD_SECRET_1 ' +
        "--ssh default --ssh k=/1,/2 --ssh s=/s " +
        `--build-context git=https://h/r.git#${"a".repeat(40)} --build-context oci=oci-layout:///o@sha256:1 ` +
        "--build-context one=/d --build-context two=docker-image://r/b:1 " +
        "--no-cache --pull --provenance=mode=max --sbom=generator=r/s:1 " +
        "--push --load --output type=oci,tar=false,dest=/oci --output type=local,dest=/files " +
        "--cache-from type=registry,ref=r/a:c --cache-to type=local,dest=/c,mode=max,compression=zstd -",
    );
  });

  it("load into the engine when nothing is said of the result, and not when it goes elsewhere", () => {
    expect(render({ output: undefined })).toEqual(["build", "--load", "-"]);
    expect(render({ output: { push: true } })).toEqual(["build", "--push", "-"]);
  });

  it("write out the outputs whose times are rewritten, and give the time to the build", () => {
    expect(
      render({
        rewriteTimestamps: true,
        sourceDateEpoch: 7,
        output: { load: true, push: true, ociLayout: "/o" },
      }).join(" "),
    ).toBe(
      "build --build-arg SOURCE_DATE_EPOCH=7 --output type=registry,rewrite-timestamp=true " +
        "--output type=docker,rewrite-timestamp=true --output type=oci,tar=false,dest=/o,rewrite-timestamp=true -",
    );
    expect(render({ rewriteTimestamps: true, buildArgs: { SOURCE_DATE_EPOCH: "9" } })).toContain(
      "SOURCE_DATE_EPOCH=9",
    );
  });

  it("hold no value of a secret, whatever it is", () => {
    fc.assert(
      fc.property(fc.string({ minLength: 12 }), (value) => {
        const secrets = [{ id: "s", source: { kind: "value", value } }] as const;
        expect(render({ secrets }).join(" ")).not.toContain(`=${value}`);
        expect(Object.values(secretEnvironment(secrets))).toEqual([value]);
      }),
    );
  });

  it("do not depend on the order of maps", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.string()), (labels) => {
        const turned = Object.fromEntries(Object.entries(labels).reverse());
        expect(render({ labels, buildArgs: turned })).toEqual(
          render({ labels: turned, buildArgs: labels }),
        );
      }),
    );
  });

  it("quote attributes as buildx reads them", () => {
    fc.assert(
      fc.property(fc.array(fc.string(), { minLength: 1 }), (values) => {
        const attributes = values.map((value, index) => [`k${index}`, value] as const);
        expect(parseCsv(formatAttributes(attributes))).toEqual(
          attributes.map(([key, value]) => `${key}=${value}`),
        );
      }),
    );
  });

  it("of a check name what shapes the build and no result", () => {
    const options = { tags: ["a:1"], target: "t", buildArgs: { A: "1" }, labels: { l: "1" } };
    expect(buildxCheckArgs({ options, context: "-", builder: "b", dockerfile: "D" })).toEqual(
      "build --call=check,format=json --builder b --file D --target t --build-arg A=1 -".split(" "),
    );
  });
});
