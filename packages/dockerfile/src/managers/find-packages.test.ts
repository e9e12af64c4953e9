import { describe, expect, it } from "vitest";
import { extractInventory } from "../extract-inventory.js";

/** `manager name version pinReason` of everything a RUN installs. */
const installs = (command: string): string[] => {
  const { packages, dependencyFiles } = extractInventory(
    `FROM debian:12\nARG V=1.2.3\nRUN ${command}`,
  );
  return [
    ...packages.map(({ manager, name, version = "-", pinReason }) =>
      [manager, name, version, pinReason].join(" "),
    ),
    ...dependencyFiles.map(
      ({ manager, path, locked }) => `${manager} file ${path} ${locked ? "locked" : "open"}`,
    ),
  ];
};

describe("packages of a RUN", () => {
  it.each<[string, string[]]>([
    [
      "apk add --no-cache -t .d git=2.45-r0 curl~=8 x@edge ./y.apk !z 2>&1 >/dev/null",
      ["apk curl ~=8 range", "apk git 2.45-r0 exact-version", "apk x @edge moving-name"],
    ],
    [
      "apt-get -qq -o A=b install -y --no-install-recommends git=1:2.39-1+b1 vim:arm64 a/backports b- ./c.deb",
      ["apt a backports moving-name", "apt git 1:2.39-1+b1 exact-version", "apt vim - no-version"],
    ],
    [
      "DEBIAN_FRONTEND=x sudo -E env A=b /usr/bin/apt-get install g++ libstdc++6",
      ["apt g++ - no-version", "apt libstdc++6 - no-version"],
    ],
    ["apt-get remove a && apt-get update && apt list b", []],
    [
      "dnf install -y git-2.43.0-1.el9 nodejs-18.19.0 java-17-openjdk x* @dev --setopt a",
      [
        "dnf @dev - no-version",
        "dnf git 2.43.0-1.el9 exact-version",
        "dnf java-17-openjdk - no-version",
        "dnf nodejs 18.19.0 exact-version",
        "dnf x* * range",
      ],
    ],
    [
      "yum -y install a && microdnf install b-1.0 && zypper -n in 'c=1' 'd>=2'",
      [
        "dnf b 1.0 exact-version",
        "yum a - no-version",
        "zypper c 1 exact-version",
        "zypper d >=2 range",
      ],
    ],
    [
      "pip3 install --no-cache-dir -U 'a>=1,<2' b[x]==1.0 c~=2 d==1.* -r req.txt -c con.txt -e . f.whl",
      [
        "pip a >=1,<2 range",
        "pip b 1.0 exact-version",
        "pip c ~=2 range",
        "pip d ==1.* range",
        "pip file req.txt open",
      ],
    ],
    ["python3.12 -m pip install --require-hashes -r r.txt", ["pip file r.txt locked"]],
    [
      `pip install 'a @ https://x.io/a.zip#sha256=${"0".repeat(64)}' git+https://x.io/b.git@v1#egg=b git+https://x.io/c@${"a".repeat(40)}`,
      ["pip a - checksum", "pip b - moving-name", "pip c - digest"],
    ],
    [
      "uv pip install --system a==1 && uv tool install b && uv sync --frozen && uv add c",
      ["uv a 1 exact-version", "uv b - no-version", "uv c - no-version", "uv file uv.lock locked"],
    ],
    [
      "poetry add a@1.0 b && poetry install --no-root && pipx install c==2 && pipx inject c d",
      [
        "pipx c 2 exact-version",
        "pipx d - no-version",
        "poetry a 1.0 exact-version",
        "poetry b - no-version",
        "poetry file poetry.lock locked",
      ],
    ],
    [
      "npm i -g a@1.0.0 @s/b@^2 c@latest d/e#main --registry https://r && npm ci && npm install",
      [
        "npm @s/b ^2 range",
        "npm a 1.0.0 exact-version",
        "npm c latest moving-name",
        "npm d/e#main - moving-name",
        "npm file package-lock.json locked",
        "npm file package.json open",
      ],
    ],
    [
      "pnpm add a@1.0.0 && pnpm i --frozen-lockfile && yarn global add b && yarn --immutable && corepack prepare pnpm@9.1.0 --activate",
      [
        "npm pnpm 9.1.0 exact-version",
        "pnpm a 1.0.0 exact-version",
        "yarn b - no-version",
        "pnpm file pnpm-lock.yaml locked",
        "yarn file yarn.lock locked",
      ],
    ],
    [
      "go install -ldflags '-s -w' a.b/c@v1.0.0 d@latest ./e && go mod download",
      [
        "go ./e - local",
        "go a.b/c v1.0.0 exact-version",
        "go d latest moving-name",
        "go file go.sum locked",
      ],
    ],
    [
      "cargo install --locked a@1.2.3 b && cargo +nightly install c --version 1.0.0 && cargo install --git https://x.io/d --rev abc d && cargo install --path .",
      [
        "cargo a 1.2.3 exact-version",
        "cargo b - no-version",
        "cargo c 1.0.0 exact-version",
        "cargo d abc digest",
      ],
    ],
    [
      "gem install a -v 1.0 --no-document && gem install b:2 c && bundle install",
      [
        "gem a 1.0 exact-version",
        "gem b 2 exact-version",
        "gem c - no-version",
        "gem file Gemfile.lock locked",
      ],
    ],
    [
      "ansible-galaxy collection install a.b:1.0 c.d && ansible-galaxy install -r req.yml e.f,v1",
      [
        "galaxy a.b 1.0 exact-version",
        "galaxy c.d - no-version",
        "galaxy e.f v1 exact-version",
        "galaxy file req.yml open",
      ],
    ],
    ["git clone --depth 1 -b v1.2 https://x.io/a/b.git /b", ["git b v1.2 moving-name"]],
    [
      'bash -o pipefail -ec "apk add a$V" && sh -c \'apk add b; sh -c "apk add c"\' && eval apk add d',
      ["apk a1.2.3 - no-version", "apk b - no-version", "apk c - no-version", "apk d - no-version"],
    ],
    [
      "set -eux; if x; then apk add a; else (apk add b); fi; for p in c d; do apk add $p; done",
      ["apk a - no-version", "apk b - no-version", "apk c - no-version", "apk d - no-version"],
    ],
    [
      "P='a b' Q=c; R=$(x); apk add $P \"$Q\" $R $NONE",
      [
        "apk $NONE - unknown",
        "apk $R - unknown",
        "apk a - no-version",
        "apk b - no-version",
        "apk c - no-version",
      ],
    ],
    [
      "xargs -a list apk add a && timeout 5 su-exec u nice -n 3 apk add b",
      ["apk a - no-version", "apk b - no-version"],
    ],
    ["echo 'apk add no' && echo \"apt install no\" # apk add no", []],
    ["<<EOF\napk add a\ncat > f <<X\napk add no\nX\nEOF", ["apk a - no-version"]],
    ["<<EOF bash -e\napk add a\nEOF", ["apk a - no-version"]],
    ["<<EOF\n#!/usr/bin/env python3\napk add no\nEOF", []],
    ["cat <<EOF > f\napk add no\nEOF", []],
    ['["/bin/sh", "-c", "apk add a"]', ["apk a - no-version"]],
    ['["apk", "add", "a b"]', ["apk a b - no-version"]],
  ])("%s", (command, expected) => {
    expect(installs(command)).toEqual(expected);
  });

  it("is not read when SHELL names a program that speaks no shell language", () => {
    const text =
      'FROM a\nSHELL ["powershell", "-Command"]\nRUN apk add x\nSHELL ["/bin/bash", "-c"]\nRUN apk add y';
    expect(extractInventory(text).packages.map(({ name }) => name)).toEqual(["y"]);
  });

  it("has the line of its own command, the stage, and the distribution", () => {
    const text =
      "FROM python:3.12-slim-bookworm AS base\nRUN a \\\n && b \\\n && apt-get install git";
    expect(extractInventory(text).packages).toMatchObject([
      {
        name: "git",
        line: 4,
        stage: "base",
        distribution: "debian-12",
        sourceRef: "RUN apt-get install git",
      },
    ]);
  });

  it("is listed once for each stage, the entry that says most", () => {
    const text = "FROM a\nRUN apk add x\nRUN apk add x=1\nFROM b\nRUN apk add x";
    const found = extractInventory(text).packages.map(({ stageIndex, version }) => [
      stageIndex,
      version,
    ]);
    expect(found).toEqual([
      [1, undefined],
      [0, "1"],
    ]);
  });
});

const SUM = "a".repeat(64);
const downloads = (lines: string): string[] =>
  extractInventory(`FROM a\nARG VERSION=1.2.3\nARG ARCH=amd64\n${lines}`).packages.map(
    ({ name, version = "-", pinReason, verification, url }) =>
      [
        name,
        version,
        pinReason,
        verification?.method ?? "-",
        verification?.value === SUM ? "sum" : "-",
        url,
      ].join(" "),
  );

describe("downloads", () => {
  it.each<[string, string[]]>([
    [
      `RUN curl -fsSLo /t.tgz https://github.com/a/Tool/releases/download/v$VERSION/t-\${ARCH}.tgz && echo "${SUM}  /t.tgz" | sha256sum -c -`,
      [
        "tool 1.2.3 checksum sha256 sum https://github.com/a/Tool/releases/download/v$VERSION/t-${ARCH}.tgz",
      ],
    ],
    [
      `RUN wget -O a https://x.io/a && wget https://x.io/b-2.0.zip && echo ${SUM} b-2.0.zip | sha256sum --check`,
      ["a - no-version - - https://x.io/a", "b 2.0 checksum sha256 sum https://x.io/b-2.0.zip"],
    ],
    [
      "RUN curl -O https://x.io/go1.22.1.linux-amd64.tar.gz -O https://x.io/SHASUMS256.txt && sha256sum -c SHASUMS256.txt --ignore-missing",
      ["go 1.22.1 exact-version sha256 - https://x.io/go1.22.1.linux-amd64.tar.gz"],
    ],
    [
      "RUN curl -o a.tgz https://x.io/latest/a.tgz -o a.asc https://x.io/a.tgz.asc; gpg --batch --verify a.asc a.tgz",
      ["a - moving-name gpg - https://x.io/latest/a.tgz"],
    ],
    [
      `RUN curl https://x.io/a > a && [ "$(sha256sum a | cut -d' ' -f1)" = "${SUM}" ]`,
      ["a - checksum sha256 sum https://x.io/a"],
    ],
    [
      `ADD --checksum=sha256:${SUM} https://x.io/a-1.0.jar /`,
      [`a 1.0 checksum sha256 sum https://x.io/a-1.0.jar`],
    ],
    ["ADD https://x.io/a/b.git#v1 /src", ["b v1 moving-name - - https://x.io/a/b.git#v1"]],
    ["ADD local.tar /src", []],
    [
      "RUN url=https://x.io/go1.22.1.linux-amd64.tgz; wget -O go.tgz $url",
      ["go 1.22.1 exact-version - - https://x.io/go1.22.1.linux-amd64.tgz"],
    ],
    ["RUN curl -fsSL $NONE/x https://x.io/$NONE", ["x.io - unknown - - https://x.io/$NONE"]],
    ["RUN wget --spider https://x.io/ && curl -so /dev/null https://x.io/", []],
  ])("%s", (lines, expected) => {
    expect(downloads(lines)).toEqual(expected);
  });
});
