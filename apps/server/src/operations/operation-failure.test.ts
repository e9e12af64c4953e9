import { createRedactor, ProvisionerError } from "@molecule-ai/core";
import fc from "fast-check";
import { expect, it } from "vitest";
import { describeOperationFailure } from "./operation-failure.js";

const SECRET = "s3cret-value";
const redactor = createRedactor([SECRET]);

it("keeps code, message, hint and details, and the log apart from the details", () => {
  const error = new ProvisionerError("ERR_AGENT_EXITED", "It ended.", {
    hint: "Look.",
    details: { exitCode: 1, logTail: ["one", "two"] },
  });
  expect(describeOperationFailure(error, redactor)).toEqual({
    code: "ERR_AGENT_EXITED",
    message: "It ended.",
    hint: "Look.",
    details: { exitCode: 1 },
    logTail: "one\ntwo",
  });
});

it("keeps the end of a long log", () => {
  const logTail = `${"x".repeat(20_000)}the end`;
  const error = new ProvisionerError("ERR_AGENT_EXITED", "It ended.", { details: { logTail } });
  const kept = describeOperationFailure(error, redactor).logTail;
  expect(kept).toHaveLength(8192);
  expect(kept?.endsWith("the end")).toBe(true);
});

it("says nothing of an error that is not ours but that it happened", () => {
  for (const thrown of [new Error(`connect to ${SECRET}`), "text", undefined, null]) {
    expect(describeOperationFailure(thrown, redactor)).toMatchObject({
      code: "ERR_INTERNAL",
      details: {},
      logTail: undefined,
    });
  }
});

it("lets no secret through, wherever it stands", () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.string(), (value, text) => {
      const details = { nested: [value, { deep: `${text}${SECRET}` }], logTail: [SECRET, text] };
      const error = new ProvisionerError("ERR_X", `${text} ${SECRET}`, {
        hint: SECRET,
        details: details as never,
      });
      const told = JSON.stringify(describeOperationFailure(error, redactor));
      expect(told).not.toContain(SECRET);
    }),
  );
});
