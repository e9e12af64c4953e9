import { expect, it } from "vitest";
import { isProvisionerError, ProvisionerError } from "./errors.js";

class SubError extends ProvisionerError<"ERR_SUB"> {}

it("keeps code, hint, details, retryable and cause", () => {
  const cause = new Error("socket closed");
  const error = new SubError("ERR_SUB", "Reading x failed.", {
    hint: "Try again.",
    retryable: true,
    details: { attempts: 3 },
    cause,
  });
  expect(error).toMatchObject({ name: "SubError", code: "ERR_SUB", retryable: true, cause });
  expect(error.toJSON()).toEqual({
    name: "SubError",
    code: "ERR_SUB",
    message: "Reading x failed.",
    hint: "Try again.",
    retryable: true,
    details: { attempts: 3 },
  });
});

it("has no cause property when none was given", () => {
  expect("cause" in new SubError("ERR_SUB", "x")).toBe(false);
});

it("cleans message, hint and nested details of control characters and URL userinfo", () => {
  const error = new ProvisionerError("ERR_X", "GET https://u:p@h/\u001b[2J failed", {
    hint: "look at http://a:b@c",
    details: { list: [{ url: "https://t0ken@h/" }] },
  });
  expect(error.message).toBe("GET https://***@h/ failed");
  expect(error.hint).toBe("look at http://***@c");
  expect(error.details).toEqual({ list: [{ url: "https://***@h/" }] });
});

it("is recognised by brand, by code, and across copies of the package", () => {
  const error = new SubError("ERR_SUB", "x");
  expect(isProvisionerError(error)).toBe(true);
  expect(isProvisionerError(error, "ERR_SUB")).toBe(true);
  expect(isProvisionerError(error, "ERR_OTHER")).toBe(false);
  expect(isProvisionerError(new Error("x"))).toBe(false);
  expect(isProvisionerError(undefined)).toBe(false);
  const fromOtherCopy = Object.assign(new Error("x"), {
    [Symbol.for("@molecule-ai/provisioner-error")]: true,
    code: "ERR_SUB",
  });
  expect(isProvisionerError(fromOtherCopy, "ERR_SUB")).toBe(true);
});
