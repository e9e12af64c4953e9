import { expect, it } from "vitest";
import { isConnectionFailure } from "./connection-failure.js";

const withCode = (code: string): Error => Object.assign(new Error("x"), { code });

it.each(["ECONNREFUSED", "ECONNRESET", "EPIPE", "08006", "57P01", "40P01", "40001", "53300"])(
  "%s passes, also as the cause of a failed query",
  (code) => {
    expect(isConnectionFailure(withCode(code))).toBe(true);
    expect(isConnectionFailure(new Error("Failed query", { cause: withCode(code) }))).toBe(true);
  },
);

it("a connection that ended under a statement has no code, only words", () => {
  const cause = new Error("Connection terminated unexpectedly");
  expect(isConnectionFailure(new Error("Failed query", { cause }))).toBe(true);
});

it.each(["23505", "42P01", "22P02", "ENOENT"])("%s does not pass by itself", (code) => {
  expect(isConnectionFailure(withCode(code))).toBe(false);
});

it("what is no error, or its own cause, is no connection failure", () => {
  const own: Error & { cause?: unknown } = new Error("x");
  own.cause = own;
  for (const thrown of [own, undefined, "ECONNRESET", { code: "ECONNRESET" }]) {
    expect(isConnectionFailure(thrown)).toBe(false);
  }
});
