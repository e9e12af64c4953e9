import fc from "fast-check";
import { expect, it } from "vitest";
import { isProvisionerError } from "@molecule-ai/core";
import { formatCursor, parseCursor } from "./page-cursor.js";

it("reads back every cursor it made", () => {
  const time = fc.date({ min: new Date(0), max: new Date("2200-01-01"), noInvalidDate: true });
  fc.assert(
    fc.property(time, fc.uuid(), (createdAt, id) => {
      expect(parseCursor(formatCursor({ createdAt, id }))).toEqual({ createdAt, id });
    }),
  );
});

it("refuses everything else as an invalid request", () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.base64String()), (text) => {
      expect(() => parseCursor(text)).toThrow(
        expect.toSatisfy((error) => isProvisionerError(error, "ERR_REQUEST_INVALID")),
      );
    }),
  );
});
