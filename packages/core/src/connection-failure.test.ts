import { describe, expect, it } from "vitest";
import { connectionFailure } from "./connection-failure.js";

describe("connectionFailure", () => {
  it.each([
    ["ECONNREFUSED", "the connection was refused", false],
    ["EAI_AGAIN", "name resolution failed for now", false],
    ["UND_ERR_SOCKET", "the connection was closed", false],
    ["DEPTH_ZERO_SELF_SIGNED_CERT", undefined, true],
    ["ERR_TLS_CERT_ALTNAME_INVALID", undefined, true],
    ["HPE_INVALID_CONSTANT", undefined, false],
    ["constructor", undefined, false],
  ])("tells %s", (code, reason, isCertificate) => {
    const error = Object.assign(new Error("certificate refused"), { code });
    expect(connectionFailure(error)).toEqual({ code, reason, isCertificate });
  });

  it.each([undefined, null, "ECONNREFUSED", new Error("ECONNREFUSED"), { code: 7 }])(
    "knows nothing of %j",
    (error) => {
      expect(connectionFailure(error)).toEqual({
        code: "no code",
        reason: undefined,
        isCertificate: false,
      });
    },
  );
});
