import { expect } from "vitest";

import type { GiteaErrorCode } from "../src/index.js";

/** Matches an error of this code that also says what to do. */
export function giteaError(code: GiteaErrorCode, details?: object): unknown {
  return expect.objectContaining({
    name: "GiteaError",
    code,
    message: expect.stringMatching(/./),
    hint: expect.stringMatching(/./),
    ...(details === undefined ? {} : { details: expect.objectContaining(details) }),
  });
}
