import { expect, it } from "vitest";
import { cosignEnvironment } from "./cosign-environment.js";

const env = {
  PATH: "/bin",
  HOME: "/root",
  COSIGN_PASSWORD: "pw",
  SIGNING_KEY: "secret key",
  AWS_SECRET_ACCESS_KEY: "aws",
  SIGSTORE_ID_TOKEN: "token",
  OPENAI_API_KEY: "sk",
  DOCKER_CONFIG: "/theirs",
};

it("gives a key its password, the caller's Docker configuration and nothing else", () => {
  expect(
    cosignEnvironment({ kind: "key", reference: "k" }, env, { dockerConfig: "/ours" }),
  ).toEqual({
    PATH: "/bin",
    HOME: "/root",
    COSIGN_YES: "1",
    COSIGN_PASSWORD: "pw",
    DOCKER_CONFIG: "/ours",
  });
});

it("has an empty password rather than none, which would ask a terminal", () => {
  expect(cosignEnvironment({ kind: "key", reference: "k" }, {})).toEqual({
    COSIGN_YES: "1",
    COSIGN_PASSWORD: "",
  });
});

it("passes on the variable that holds the key, and only to that key", () => {
  expect(cosignEnvironment({ kind: "key", reference: "env:SIGNING_KEY" }, env)).toMatchObject({
    SIGNING_KEY: "secret key",
  });
  expect(cosignEnvironment({ kind: "keyless" }, env)).not.toHaveProperty("SIGNING_KEY");
});

it("gives each kind of signer its own accounts", () => {
  expect(cosignEnvironment({ kind: "kms" }, env)).toHaveProperty("AWS_SECRET_ACCESS_KEY");
  expect(cosignEnvironment({ kind: "kms" }, env)).not.toHaveProperty("SIGSTORE_ID_TOKEN");
  expect(cosignEnvironment({ kind: "keyless" }, env)).toHaveProperty("SIGSTORE_ID_TOKEN");
  expect(cosignEnvironment({ kind: "keyless" }, env)).not.toHaveProperty("AWS_SECRET_ACCESS_KEY");
  expect(cosignEnvironment({ kind: "hardware" }, env)).toHaveProperty("OPENAI_API_KEY");
});
