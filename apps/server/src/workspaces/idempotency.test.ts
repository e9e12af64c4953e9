import fc from "fast-check";
import { expect, it } from "vitest";
import { hashRequest } from "./idempotency.js";

it("gives a request the same hash whatever the order of its fields", () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (body) => {
      const reversed = Object.fromEntries(Object.entries(body).reverse());
      expect(hashRequest("POST /x", reversed)).toBe(hashRequest("POST /x", body));
    }),
  );
});

it("gives other requests another hash", () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.jsonValue(), (one, other) => {
      fc.pre(JSON.stringify(one) !== JSON.stringify(other));
      fc.pre(typeof one !== "object" || typeof other !== "object");
      expect(hashRequest("POST /x", one)).not.toBe(hashRequest("POST /x", other));
    }),
  );
  expect(hashRequest("POST /x", { a: [1, 2] })).not.toBe(hashRequest("POST /x", { a: [2, 1] }));
  expect(hashRequest("POST /x", { a: 1 })).not.toBe(hashRequest("POST /x", { a: "1" }));
  expect(hashRequest("POST /x", {})).not.toBe(hashRequest("POST /y", {}));
});
