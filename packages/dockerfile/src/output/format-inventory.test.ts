import { stripControlCharacters } from "@molecule-ai/core";
import { describe, expect, it } from "vitest";
import { extractInventory } from "../extract-inventory.js";
import { formatInventory } from "./format-inventory.js";

describe("formatInventory", () => {
  it("is tables of what there is", () => {
    const text = `FROM golang:1.23 AS build
RUN go install example.com/x@v1.0.0
FROM alpine:3.20@sha256:${"0".repeat(64)}
COPY --from=build /x /
COPY package-lock.json .
RUN apk add curl && npm ci
USER app
`;
    expect(formatInventory(extractInventory(text))).toMatchInlineSnapshot(`
      "Stages
        LINE  STAGE  FROM                                                                                 SHIPS
        1     build  golang:1.23                                                                          partly
        3     1      alpine:3.20@sha256:0000000000000000000000000000000000000000000000000000000000000000  yes

      Base images
        LINE  IMAGE                                                                                PINNED       STAGE  SHIPS
        3     alpine:3.20@sha256:0000000000000000000000000000000000000000000000000000000000000000  yes, digest  1      yes
        1     golang:1.23                                                                          no, tag      build  partly

      Packages and downloads
        LINE  MANAGER  NAME           VERSION  PINNED              CHECKED  STAGE  SHIPS
        6     apk      curl           -        no, no-version      -        1      yes
        2     go       example.com/x  v1.0.0   yes, exact-version  -        build  partly

      Files that name packages
        LINE  MANAGER  FILE               LOCKED  STAGE  SHIPS
        6     npm      package-lock.json  yes     1      yes

      Findings
        LINE  SEVERITY  RULE              WHAT, AND WHAT TO DO
        1     medium    base-unpinned     golang:1.23 is not pinned to a digest.
                                          Add the digest behind the tag: image:1.2.3@sha256:….
        6     low       package-unpinned  apk takes any version of curl.
                                          Name an exact version, or install from a lock file."
    `);
  });

  it("says when nothing was found", () => {
    const text = "FROM scratch\nUSER 1000";
    expect(formatInventory(extractInventory(text))).toMatch(/No findings\.$/);
  });

  it("prints no control characters and no empty cells of many lines", () => {
    const text = "FROM a\u001b[31m:1\nRUN apk add 'x\u001b]0;title\u0007y\nz'\nENV \u202eA=1\n";
    const lines = formatInventory(extractInventory(text)).split("\n");
    expect(lines.map(stripControlCharacters)).toEqual(lines);
  });
});
