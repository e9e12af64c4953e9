import type { BuildEvent } from "@molecule-ai/core";
import { expect, it } from "vitest";
import { warnOfSecretArguments } from "./secret-arguments.js";

it.each([
  ["NPM_TOKEN", true],
  ["api_key", true],
  ["DB_PASSWORD_FILE", true],
  ["AWS_SECRET_ACCESS_KEY", true],
  ["TOKENIZER_VERSION", false],
  ["KEYBOARD", false],
  ["VERSION", false],
])("a build argument named %s is worth a warning: %s", (name, expected) => {
  const events: BuildEvent[] = [];
  warnOfSecretArguments({ buildArgs: { [name]: "hidden-value" } }, (event) => events.push(event));
  expect(events.length === 1).toBe(expected);
  expect(JSON.stringify(events)).not.toContain("hidden-value");
});
