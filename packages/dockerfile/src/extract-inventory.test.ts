import { describe, expect, it } from "vitest";
import { extractInventory, type InventoryOptions } from "./extract-inventory.js";
import { FINDING_RULES, isAtLeast } from "./findings/rules.js";

const bases = (text: string, options?: InventoryOptions): string[] =>
  extractInventory(text, options).baseImages.map(
    ({ line, via, reference, ships, needed }) =>
      `${line} ${via} ${reference} ${ships}${needed ? "" : " unneeded"}`,
  );

describe("base images", () => {
  it.each<[string, InventoryOptions, string[]]>([
    ["FROM scratch\nCOPY a /", {}, []],
    ["FROM a AS One\nFROM one\nRUN x", {}, ["1 from a yes"]],
    ["FROM a AS x\nFROM b", {}, ["1 from a no unneeded", "2 from b yes"]],
    [
      "FROM a AS x\nFROM b AS y\nFROM c",
      { target: "Y" },
      ["1 from a no unneeded", "2 from b yes", "3 from c no unneeded"],
    ],
    [
      "FROM a AS x\nFROM x AS y\nFROM b\nCOPY --from=y /a /b",
      {},
      ["1 from a partly", "3 from b yes"],
    ],
    ["FROM a\nFROM b\nCOPY --from=0 /a /b", {}, ["1 from a partly", "2 from b yes"]],
    [
      "FROM a AS x\nFROM b\nRUN --mount=type=bind,from=x,target=/x y",
      {},
      ["1 from a no", "2 from b yes"],
    ],
    [
      "FROM a\nCOPY --from=ghcr.io/x/uv:1 /uv /\nRUN --mount=from=tools,target=/t x",
      {},
      ["1 from a yes", "3 mount tools no", "2 copy ghcr.io/x/uv:1 partly"],
    ],
    [
      "# syntax=docker/dockerfile:1\nFROM a",
      {},
      ["2 from a yes", "1 syntax docker/dockerfile:1 no"],
    ],
    ["ARG V=1\nFROM a:$V", {}, ["2 from a:1 yes"]],
    ["ARG V=1\nFROM a:$V", { buildArgs: { V: "2" } }, ["2 from a:2 yes"]],
    ["FROM a:$V", { buildArgs: { V: "2" } }, ["1 from a:$V yes"]],
    ["ARG A=$B\nARG B=$A\nFROM a:$A", {}, ["3 from a:$A yes"]],
    ["ARG A=x\nARG A=${A}y\nFROM $A", {}, ["3 from xy yes"]],
    ["FROM x AS x", {}, ["1 from x yes"]],
  ])("of %j with %j", (text, options, expected) => {
    expect(bases(text, options)).toEqual(expected);
  });

  it("are taken apart", () => {
    const digest = `sha256:${"0".repeat(64)}`;
    const text = `FROM --platform=linux/arm64 registry.example:5000/team/python:3.12-slim-bookworm@${digest}`;
    expect(extractInventory(text).baseImages[0]).toMatchObject({
      registry: "registry.example:5000",
      repository: "team/python",
      name: "python",
      version: "3.12",
      suffix: "slim-bookworm",
      digest,
      platform: "linux/arm64",
      pinned: true,
      pinReason: "digest",
    });
    expect(extractInventory(text).lineage).toEqual([
      { name: "debian", version: "12", stage: "", final: true },
    ]);
  });

  it("name the variables they wait for", () => {
    const [image] = extractInventory("FROM --platform=$BUILDPLATFORM a:$V").baseImages;
    expect(image).toMatchObject({ unresolved: ["V", "BUILDPLATFORM"], pinReason: "unknown" });
  });
});

describe("scopes", () => {
  const version = (text: string, options?: InventoryOptions): string | undefined =>
    extractInventory(text, options).packages.find(({ name }) => name === "x")?.version;

  it.each<[string, InventoryOptions, string]>([
    ["FROM a\nARG V=1\nRUN apk add x=$V", {}, "1"],
    ["FROM a\nRUN apk add x=$V\nARG V=1", {}, "$V"],
    ["FROM a\nARG V=1\nARG V=2\nRUN apk add x=$V", {}, "2"],
    ["FROM a\nENV V=1\nARG V=2\nRUN apk add x=$V", {}, "1"],
    ["FROM a\nARG V=1\nENV V=${V}.5\nRUN apk add x=$V", {}, "1.5"],
    ["FROM a\nENV V 1 \nRUN apk add x=$V", {}, "1"],
    ["ARG V=1\nFROM a\nRUN apk add x=$V", {}, "$V"],
    ["ARG V=1\nFROM a\nARG V\nRUN apk add x=$V", {}, "1"],
    ["ARG V=1\nFROM a\nARG V=2\nRUN apk add x=$V", {}, "2"],
    ["ARG V=1\nFROM a\nARG V=2\nRUN apk add x=$V", { buildArgs: { V: "3" } }, "3"],
    ["FROM a\nRUN apk add x=$V", { buildArgs: { V: "3" } }, "$V"],
    ["FROM a AS b\nENV V=1\nARG W=2\nFROM b\nRUN apk add x=$V$W", {}, "12"],
    ["FROM a AS b\nENV V=1\nFROM c\nRUN apk add x=$V", {}, "$V"],
    ["FROM a AS b\nENV V=1\nFROM b AS c\nENV V=2\nFROM b\nRUN apk add x=$V", {}, "1"],
    ['FROM a\nENV V=\'$W\' W="a b"\nRUN apk add "x=$V"', {}, "$W"],
    ["FROM a\nRUN V=5 && apk add x=$V", {}, "5"],
    ["FROM a\nARG API_TOKEN=1\nRUN apk add x=$API_TOKEN", {}, "$API_TOKEN"],
  ])("%j with %j", (text, options, expected) => {
    expect(version(text, options)).toBe(expected);
  });

  it("lists ARGs without what is secret", () => {
    const { args } = extractInventory('ARG A="b c"\nARG NPM_TOKEN=hunter2hunter2\nFROM a\nARG B\n');
    expect(args).toEqual([
      { name: "A", default: "b c", line: 1, sourceRef: 'ARG A="b c"' },
      { name: "NPM_TOKEN", hidden: true, line: 2, sourceRef: "ARG NPM_TOKEN=***" },
      { name: "B", line: 4, stageIndex: 0, sourceRef: "ARG B" },
    ]);
  });
});

describe("findings", () => {
  const FINE = `FROM a:1@sha256:${"0".repeat(64)}\n`;
  const found = (text: string): string[] =>
    extractInventory(text).findings.map(({ rule, line }) => `${line} ${rule}`);

  it.each<[string, string[]]>([
    [`${FINE}USER app`, []],
    ["FROM a\nUSER app", ["1 base-latest"]],
    ["FROM a:latest\nUSER app", ["1 base-latest"]],
    ["FROM a:1\nUSER app", ["1 base-unpinned"]],
    ["FROM $X\nUSER app", ["1 base-unresolved"]],
    [FINE, ["1 root-user"]],
    [`${FINE}USER app\nUSER 0:0`, ["3 root-user"]],
    [`${FINE}USER $U`, []],
    [`FROM a:1@sha256:0 AS x\nUSER app\nFROM x`, []],
    [
      `${FINE}USER u\nRUN curl -sSL https://x.io/i | sudo -E bash -s -- -y`,
      ["3 curl-to-shell", "3 sudo"],
    ],
    [
      `${FINE}USER u\nRUN sh -c "$(curl -fsSL https://x.io/i)"`,
      ["3 curl-to-shell", "3 download-without-checksum"],
    ],
    [
      `${FINE}USER u\nRUN bash <(wget -qO- https://x.io/i)`,
      ["3 curl-to-shell", "3 download-without-checksum"],
    ],
    [`${FINE}USER u\nRUN wget -O- https://x.io/i | python3 -`, ["3 curl-to-shell"]],
    [`${FINE}USER u\nRUN curl https://x.io/i | bash install.sh`, ["3 download-without-checksum"]],
    [
      `${FINE}USER u\nRUN x && \\\n curl -O http://x.io/a`,
      ["4 download-over-http", "4 download-without-checksum"],
    ],
    [`${FINE}USER u\nRUN curl -f http://localhost:80/ -o /dev/null`, []],
    [`${FINE}USER u\nRUN curl -kO https://x.io/a.asc`, ["3 check-switched-off"]],
    [`${FINE}USER u\nADD https://x.io/a /`, ["3 add-url-without-checksum"]],
    [`${FINE}USER u\nADD --checksum=sha256:0 https://x.io/a /`, []],
    [`${FINE}USER u\nRUN apt-get install -y a b c=1`, ["3 package-unpinned"]],
    [`${FINE}USER u\nRUN pip install --trusted-host x a==1`, ["3 check-switched-off"]],
    [
      `${FINE}USER u\nARG NPM_TOKEN\nENV DB_PASSWORD=x TOKEN_FILE=/x EMPTY_SECRET=`,
      ["3 secret-in-arg", "4 secret-in-env"],
    ],
    [`${FINE}USER u\nENV A=https://me:pass@x.io/`, ["3 secret-in-env"]],
    [
      `${FINE}USER u\nRUN git config url.https://me:pass@x.io/.insteadOf https://x.io/`,
      ["3 secret-in-run"],
    ],
    [`${FINE}USER u\nNOPE\nRUN <<EOF\n`, ["3 not-buildable", "4 not-buildable"]],
    ["just some text", ["1 not-buildable", "1 not-buildable"]],
  ])("of %j are %j", (text, expected) => {
    expect(found(text)).toEqual(expected);
  });

  it("hold no secret, and neither does anything else", () => {
    const secrets = ["hunter2hunter2", `ghp_${"a1".repeat(20)}`, "pa55word"];
    const inventory = extractInventory(
      [
        "FROM a",
        `ARG API_KEY=${secrets[0]}`,
        `ENV GITHUB=${secrets[1]} URL=https://me:${secrets[2]}@x.io/`,
        `RUN NPM_TOKEN=${secrets[0]} npm i x && curl -H "Authorization: Bearer ${secrets[0]}" https://x.io/$API_KEY`,
        `RUN pip install https://me:${secrets[2]}@x.io/a.zip git+https://$GITHUB@x.io/b`,
        `ADD https://me:${secrets[2]}@x.io/c /`,
      ].join("\n"),
    );
    for (const secret of secrets) expect(JSON.stringify(inventory)).not.toContain(secret);
  });

  it("each have a remedy, a severity and a place", () => {
    expect(extractInventory("FROM a\n").findings[0]).toEqual({
      rule: "base-latest",
      severity: "high",
      line: 1,
      stageIndex: 0,
      message: "a means whatever is newest.",
      remedy: FINDING_RULES["base-latest"].remedy,
    });
    expect(isAtLeast("high", "medium")).toBe(true);
    expect(isAtLeast("low", "medium")).toBe(false);
  });
});

describe("stages", () => {
  it("tell what they start from, whether they are built, and what of them ships", () => {
    const text = "FROM a AS x\nFROM x AS y\nFROM b AS z\nCOPY --from=y / /\nFROM c";
    expect(extractInventory(text, { target: "z" })).toMatchObject({
      target: "z",
      stages: [
        { index: 0, name: "x", base: "a", needed: true, ships: "partly", final: false },
        { index: 1, name: "y", base: "x", parent: 0, needed: true, ships: "partly", final: false },
        { index: 2, name: "z", base: "b", needed: true, ships: "yes", final: true },
        { index: 3, base: "c", needed: false, ships: "no", final: false },
      ],
    });
  });

  it("that do not exist cannot be the target", () => {
    expect(() => extractInventory("FROM a AS x", { target: "y" })).toThrow(
      expect.objectContaining({
        code: "ERR_DOCKERFILE_TARGET",
        hint: "Name one of its stages: x.",
      }),
    );
  });
});
