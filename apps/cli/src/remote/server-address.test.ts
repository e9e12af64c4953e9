import { describe, expect, it } from "vitest";
import { chooseServer, parseServerAddress } from "./server-address.js";

const INVALID = expect.objectContaining({ code: "ERR_CLI_OPTION_INVALID" });

describe("the address of a server", () => {
  it.each([
    ["http://h:8080", "http://h:8080", "http://h:8080/workspaces"],
    ["https://h", "https://h", "https://h/workspaces"],
    ["https://h/", "https://h", "https://h/workspaces"],
    ["https://h/a/b//", "https://h", "https://h/a/b/workspaces"],
    ["HTTPS://H:443/x", "https://h", "https://h/x/workspaces"],
  ])("%s", (text, origin, route) => {
    const address = parseServerAddress("--server", text);
    expect(address.origin).toBe(origin);
    expect(address.route("/workspaces")).toBe(route);
  });

  it("puts values into the query that cannot leave it", () => {
    const address = parseServerAddress("--server", "http://h");
    expect(address.route("/x", { a: "1&b=2 #", c: undefined })).toBe("http://h/x?a=1%26b%3D2+%23");
  });

  it.each(["h:8080", "nowhere", "ftp://h", "file:///x", "http://", "http://h/?a=b", "http://h/#x"])(
    "refuses %s",
    (text) => {
      expect(() => parseServerAddress("--server", text)).toThrow(INVALID);
    },
  );

  it("refuses credentials without repeating them", () => {
    const parse = () => parseServerAddress("MOLECULE_URL", "https://u:hunter2@h");
    expect(parse).toThrow(INVALID);
    expect(parse).not.toThrow(/hunter2/);
  });

  it.each([
    ["http://localhost:1", false],
    ["http://127.0.0.1", false],
    ["http://127.1.2.3", false],
    ["http://[::1]:8080", false],
    ["http://app.localhost", false],
    ["https://example.org", false],
    ["http://example.org", true],
    ["http://10.0.0.1", true],
    ["http://127.0.0.1.example.org", true],
    ["http://host.docker.internal:8080", true],
  ])("knows whether %s can be read on the way: %s", (text, isOpen) => {
    expect(parseServerAddress("--server", text).isOpen).toBe(isOpen);
  });
});

describe("which server", () => {
  it.each([
    [{}, undefined, undefined],
    [{}, "http://env", "http://env"],
    [{ server: "http://flag" }, "http://env", "http://flag"],
    [{ server: "" }, "http://env", undefined],
    [{ local: true }, "http://env", undefined],
    [{ local: true, server: "" }, "http://env", undefined],
    [{ local: true }, "nonsense", undefined],
    [{ server: "http://flag" }, "nonsense", "http://flag"],
  ])("%j with MOLECULE_URL %j", (choice, variable, origin) => {
    expect(chooseServer(choice, variable)?.origin).toBe(origin);
  });

  it("names the source of what it cannot use", () => {
    expect(() => chooseServer({}, "nonsense")).toThrow(/^MOLECULE_URL /);
    expect(() => chooseServer({ server: "nonsense" }, undefined)).toThrow(/^--server /);
    expect(() => chooseServer({ server: "http://a", local: true }, undefined)).toThrow(
      expect.objectContaining({ code: "ERR_CLI_USAGE" }),
    );
  });
});
