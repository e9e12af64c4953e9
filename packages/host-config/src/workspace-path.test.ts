import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { validateWorkspacePath } from "./workspace-path.js";

const forbidden = expect.objectContaining({ code: "ERR_HOST_CONFIG_PATH_FORBIDDEN" }) as Error;
const invalid = expect.objectContaining({ code: "ERR_HOST_CONFIG_PATH_INVALID" }) as Error;

describe("validateWorkspacePath", () => {
  it.each([
    ["/home/me/project", "/home/me/project"],
    ["/home/me/project/", "/home/me/project"],
    ["//home//me/./project/.", "/home/me/project"],
    ["/srv/usr", "/srv/usr"],
    ["/etcetera", "/etcetera"],
    ["/home/me/..hidden", "/home/me/..hidden"],
    ["/home/me/a b", "/home/me/a b"],
    ["/private/tmp/x", "/private/tmp/x"],
  ])("takes %s as %s", (path, normal) => {
    expect(validateWorkspacePath(path)).toBe(normal);
  });

  it.each([
    "",
    "project",
    "./project",
    "~/project",
    "/home/../etc",
    "/home/me/..",
    "..",
    "/a:/b",
    "/a:ro",
    "/a,b",
    "/a\nb",
    "/a\0b",
    "/a\u007f",
    "C:\\Users\\me",
    `/${"a".repeat(4095)}`,
  ])("refuses %j as malformed", (path) => {
    expect(() => validateWorkspacePath(path)).toThrow(invalid);
  });

  it.each([
    "/",
    "//",
    "/.",
    ..."etc var proc sys dev boot sbin bin lib usr lib64 run"
      .split(" ")
      .flatMap((name) => [`/${name}`, `/${name}/`, `//${name}/./below`]),
    "/var/run/docker.sock",
    "/var/run",
    "/run/docker.sock",
    "/private/etc",
    "/private/var/run",
  ])("refuses %j as the system's", (path) => {
    expect(() => validateWorkspacePath(path)).toThrow(forbidden);
  });

  it("refuses the socket of this engine and every directory that holds it", () => {
    const options = { socketPaths: ["/home/me/.docker/run/docker.sock"] };
    for (const path of [
      "/home/me/.docker/run/docker.sock",
      "/home/me/.docker/run",
      "/home/me/.docker",
      "/home/me",
      "/home",
    ]) {
      expect(() => validateWorkspacePath(path, options)).toThrow(forbidden);
    }
    expect(validateWorkspacePath("/home/me/project", options)).toBe("/home/me/project");
    expect(validateWorkspacePath("/home/me/.docker/runs", options)).toBe("/home/me/.docker/runs");
  });

  it("gives back a path that keeps its meaning in a bind, is clear of the system, and stays so", () => {
    const segment = fc.oneof(
      fc.constantFrom(
        "",
        ".",
        "..",
        "etc",
        "var",
        "run",
        "docker.sock",
        "home",
        "me",
        "a:b",
        "a,b",
      ),
      fc.string({ unit: "binary", maxLength: 6 }),
    );
    const anyPath = fc.oneof(
      fc.array(segment, { maxLength: 6 }).map((segments) => `/${segments.join("/")}`),
      fc.string({ unit: "binary" }),
    );
    fc.assert(
      fc.property(anyPath, (path) => {
        let normal: string;
        try {
          normal = validateWorkspacePath(path);
        } catch (error) {
          expect(error).toMatchObject({
            code: expect.stringMatching(/^ERR_HOST_CONFIG_PATH_/) as string,
          });
          return;
        }
        expect(validateWorkspacePath(normal)).toBe(normal);
        expect(`${normal}:/workspace`.split(":")).toHaveLength(2);
        const [first = ""] = normal.slice(1).split("/");
        expect(["", ".", "..", "etc", "var", "run", "usr", "dev", "proc", "sys"]).not.toContain(
          first,
        );
        expect(normal.split("/")).not.toContain("..");
      }),
      { numRuns: 1000 },
    );
  });
});
