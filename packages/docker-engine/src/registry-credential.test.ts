import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  encodeAuthHeader,
  engineAuth,
  hostOfServer,
  readAuths,
  serverOfHost,
} from "./registry-credential.js";

const base64 = (text: string): string => Buffer.from(text).toString("base64");

describe("readAuths", () => {
  it("reads every form Docker writes", () => {
    const auths = readAuths({
      auths: {
        "https://index.docker.io/v1/": { auth: base64("hub:pw") },
        "registry.example.com:5000": { username: "anna", password: "p:w" },
        "https://quay.io/v2/": { auth: base64("robot+x:a:b\0\0") },
        "token.example.com": { auth: base64("ignored:x"), identitytoken: "refresh" },
        "helper.example.com": {},
        "broken.example.com": { auth: "%%%" },
        "nouser.example.com": { auth: base64(":pw") },
      },
    });
    expect(Object.fromEntries(auths)).toEqual({
      "docker.io": { kind: "password", username: "hub", password: "pw" },
      "registry.example.com:5000": { kind: "password", username: "anna", password: "p:w" },
      "quay.io": { kind: "password", username: "robot+x", password: "a:b" },
      "token.example.com": { kind: "identity-token", token: "refresh" },
    });
  });

  it("finds nothing in anything that is no such file", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(readAuths(value).size).toBe(0);
      }),
    );
    expect(readAuths({ auths: null }).size).toBe(0);
  });
});

describe("registry hosts", () => {
  it.each([
    ["https://index.docker.io/v1/", "docker.io"],
    ["registry-1.docker.io", "docker.io"],
    ["docker.io", "docker.io"],
    ["http://localhost:5000", "localhost:5000"],
    ["ghcr.io/v2/", "ghcr.io"],
  ])("%s is %s", (server, host) => {
    expect(hostOfServer(server)).toBe(host);
  });

  it("does not take one registry for another that contains its name", () => {
    expect(hostOfServer("https://ghcr.io.evil.example/ghcr.io")).toBe("ghcr.io.evil.example");
    expect(hostOfServer("notghcr.io")).not.toBe("ghcr.io");
  });

  it("names Docker Hub as helpers know it", () => {
    expect(serverOfHost("docker.io")).toBe("https://index.docker.io/v1/");
    expect(serverOfHost("ghcr.io")).toBe("ghcr.io");
  });
});

describe("encodeAuthHeader", () => {
  it("is padded, URL-safe and decodes to the same", () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (username, password) => {
        const header = encodeAuthHeader(
          engineAuth("ghcr.io", { kind: "password", username, password }),
        );
        expect(header).toMatch(/^[A-Za-z0-9_-]+={0,2}$/);
        expect(header.length % 4).toBe(0);
        const decoded = JSON.parse(Buffer.from(header, "base64url").toString()) as unknown;
        expect(decoded).toEqual(
          JSON.parse(JSON.stringify({ username, password, serveraddress: "ghcr.io" })),
        );
      }),
    );
  });

  it("hands an identity token over as one", () => {
    expect(engineAuth("docker.io", { kind: "identity-token", token: "t" })).toEqual({
      identitytoken: "t",
      serveraddress: "https://index.docker.io/v1/",
    });
    expect(engineAuth("docker.io", undefined)).toEqual({});
  });
});
