import { describe, expect, it } from "vitest";
import {
  connectionError,
  isEngineConflict,
  isEngineError,
  isEngineNotFound,
  statusError,
  truncatedError,
} from "./errors.js";

const errno = (code: string, syscall?: string): Error =>
  Object.assign(new Error(code), { code, ...(syscall === undefined ? {} : { syscall }) });

describe("statusError", () => {
  it.each([
    [400, "ERR_ENGINE_BAD_REQUEST"],
    [401, "ERR_ENGINE_UNAUTHORIZED"],
    [403, "ERR_ENGINE_UNAUTHORIZED"],
    [404, "ERR_ENGINE_NOT_FOUND"],
    [405, "ERR_ENGINE_UNSUPPORTED"],
    [409, "ERR_ENGINE_CONFLICT"],
    [422, "ERR_ENGINE_BAD_REQUEST"],
    [500, "ERR_ENGINE_SERVER"],
    [501, "ERR_ENGINE_UNSUPPORTED"],
    [503, "ERR_ENGINE_SERVER"],
    [302, "ERR_ENGINE_PROTOCOL"],
  ])("%i is %s", (status, code) => {
    expect(statusError("Start x", status, "")).toMatchObject({ code, details: { status } });
  });

  it("is decided by the status, whatever the text says", () => {
    const words = "No such container: ws-abc123: network molecule-net not found";
    expect(isEngineNotFound(statusError("Start x", 500, words))).toBe(false);
    expect(isEngineNotFound(statusError("Start x", 409, words))).toBe(false);
    expect(isEngineNotFound(statusError("Start x", 404, "a text nobody knows"))).toBe(true);
    expect(isEngineConflict(statusError("Start x", 409, "not found"))).toBe(true);
  });
});

describe("doubt is never taken for absence", () => {
  it.each([
    ["a refused connection", connectionError("Inspect x", "/s", errno("ECONNREFUSED", "connect"))],
    ["an absent socket", connectionError("Inspect x", "/s", errno("ENOENT", "connect"))],
    ["a reset", connectionError("Inspect x", "/s", errno("ECONNRESET"))],
    ["an EOF", truncatedError("Inspect x", "not found")],
    ["nothing", undefined],
    ["an empty text", new Error("")],
    ["words alone", new Error("No such container: ws-abc123")],
  ])("%s is not a 404", (_what, error) => {
    expect(isEngineNotFound(error)).toBe(false);
  });
});

describe("connectionError", () => {
  it.each([
    ["EACCES", "connect", "ERR_ENGINE_PERMISSION"],
    ["EPERM", "connect", "ERR_ENGINE_PERMISSION"],
    ["ECONNREFUSED", "connect", "ERR_ENGINE_UNREACHABLE"],
    ["ENOENT", "connect", "ERR_ENGINE_UNREACHABLE"],
    ["ENOTFOUND", "getaddrinfo", "ERR_ENGINE_UNREACHABLE"],
    ["ECONNRESET", "connect", "ERR_ENGINE_UNREACHABLE"],
    ["DEPTH_ZERO_SELF_SIGNED_CERT", undefined, "ERR_ENGINE_UNREACHABLE"],
    ["ECONNRESET", undefined, "ERR_ENGINE_TRUNCATED"],
    ["EPIPE", "write", "ERR_ENGINE_TRUNCATED"],
    ["ETIMEDOUT", "read", "ERR_ENGINE_TRUNCATED"],
    ["HPE_INVALID_CONSTANT", undefined, "ERR_ENGINE_PROTOCOL"],
  ])("%s of %s is %s", (code, syscall, expected) => {
    const error = connectionError("Ping", "/run/d.sock", errno(code, syscall));
    expect(error.code).toBe(expected);
    expect(error.cause).toBeInstanceOf(Error);
    expect(isEngineError(error)).toBe(true);
  });
});
