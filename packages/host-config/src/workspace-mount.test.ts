import { describe, expect, it } from "vitest";
import { volumeBind } from "./bind.js";
import { validateWorkspaceAccess, workspaceMount } from "./workspace-mount.js";

const id = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0";
const path = "/Users/x/repo";
const volume = {
  kind: "volume",
  volume: `ws-${id}-workspace`,
  bind: `ws-${id}-workspace:/workspace`,
};

describe("workspaceMount", () => {
  it.each(["none", "", undefined] as const)("is a volume without a path: access %j", (access) => {
    expect(workspaceMount({ id, access })).toEqual(volume);
    expect(workspaceMount({ id, path: "", access })).toEqual(volume);
  });

  it("is the host directory, read-only", () => {
    expect(workspaceMount({ id, path, access: "read_only" })).toEqual({
      kind: "host",
      path,
      readOnly: true,
      bind: "/Users/x/repo:/workspace:ro",
    });
  });

  it.each(["read_write", "", undefined] as const)(
    "is the host directory, writable: access %j",
    (access) => {
      expect(workspaceMount({ id, path, access })).toEqual({
        kind: "host",
        path,
        readOnly: false,
        bind: "/Users/x/repo:/workspace",
      });
    },
  );

  it("is a volume when access is none, whatever the path", () => {
    expect(workspaceMount({ id, path, access: "none" })).toEqual(volume);
  });

  it("never mounts the engine's socket", () => {
    const socketPaths = ["/home/x/.docker/run/docker.sock"];
    for (const held of ["/run", "/home/x/.docker/run", "/home/x"]) {
      expect(() => workspaceMount({ id, path: held, socketPaths })).toThrow(
        expect.objectContaining({ code: "ERR_HOST_CONFIG_PATH_FORBIDDEN" }),
      );
    }
  });

  it.each(["x:/etc", "../x", "x/y", "x\n"])("lets no id %j become a host path", (bad) => {
    expect(() => workspaceMount({ id: bad })).toThrow(
      expect.objectContaining({ code: "ERR_HOST_CONFIG_BIND_INVALID" }),
    );
  });
});

describe("validateWorkspaceAccess", () => {
  it.each([
    ["none", ""],
    ["", ""],
    ["", path],
    ["none", path],
    ["read_only", path],
    ["read_write", path],
  ])("takes (%j, %j)", (access, given) => {
    expect(() => {
      validateWorkspaceAccess(access, given);
    }).not.toThrow();
  });

  it.each([
    ["read_only", ""],
    ["read_write", ""],
    ["read_write", undefined],
    ["wildcard", path],
    ["READ_ONLY", path],
  ])("refuses (%j, %j)", (access, given) => {
    expect(() => {
      validateWorkspaceAccess(access, given);
    }).toThrow(expect.objectContaining({ code: "ERR_HOST_CONFIG_ACCESS_INVALID" }));
  });

  it("names the three values", () => {
    expect(() => {
      validateWorkspaceAccess("wildcard", path);
    }).toThrow(
      expect.objectContaining({
        hint: expect.stringMatching(/none.*read_only.*read_write/) as string,
      }),
    );
  });
});

describe("volumeBind", () => {
  it("writes name, target and mode", () => {
    expect(volumeBind("ws-abc-configs", "/configs")).toBe("ws-abc-configs:/configs");
    expect(volumeBind("ws-abc-secrets", "/run/molecule", true)).toBe(
      "ws-abc-secrets:/run/molecule:ro",
    );
  });

  it.each(["", "/etc", "-x", ".x", "a:b", "a,b", "a b", "a\n", "x".repeat(256)])(
    "refuses the name %j",
    (name) => {
      expect(() => volumeBind(name, "/configs")).toThrow(
        expect.objectContaining({ code: "ERR_HOST_CONFIG_BIND_INVALID" }),
      );
    },
  );

  it.each(["configs", "", "/a:ro", "/a,b", "/a\n"])("refuses the target %j", (target) => {
    expect(() => volumeBind("x", target)).toThrow(
      expect.objectContaining({ code: "ERR_HOST_CONFIG_BIND_INVALID" }),
    );
  });
});
