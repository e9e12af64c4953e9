import { createRedactor, ProvisionerError } from "@molecule-ai/core";
import { expect, it } from "vitest";
import { createLogger } from "./logger.js";

function capture(secrets: readonly string[] = []) {
  const lines: string[] = [];
  const logger = createLogger({
    level: "trace",
    redactor: createRedactor(secrets),
    write: (line) => lines.push(line),
  });
  return { logger, lines };
}
const parse = (line: string | undefined) => JSON.parse(line ?? "") as Record<string, unknown>;

it("writes one JSON object a line", () => {
  const { logger, lines } = capture();
  logger.info({ workspaceId: "w" }, "a sentence");
  expect(lines).toHaveLength(1);
  expect(lines[0]?.endsWith("}\n")).toBe(true);
  expect(parse(lines[0])).toMatchObject({ workspaceId: "w", msg: "a sentence", level: 30 });
});

it("masks fields that hold secrets, three levels deep", () => {
  const { logger, lines } = capture();
  logger.info({ token: "tok-1", a: { authorization: "tok-2", b: { auth_token: "tok-3" } } }, "x");
  logger.info({ req: { headers: { cookie: "tok-4" } }, env: { KEY: "tok-5" } }, "x");
  expect(lines.join("")).not.toContain("tok-");
});

it("masks a secret of this process wherever it stands", () => {
  const { logger, lines } = capture(["correct-horse-battery"]);
  logger.warn({ url: "http://x/?q=correct-horse-battery" }, "correct-horse-battery failed");
  logger
    .child({ note: "correct-horse-battery" })
    .error({ err: new TypeError("correct-horse-battery") });
  expect(lines).toHaveLength(2);
  expect(lines.join("")).not.toContain("correct-horse");
  for (const line of lines) parse(line);
});

it("stays JSON with all its fields, whatever somebody saved as a secret", () => {
  const { logger, lines } = capture(['"level":30', ',"msg":"', 'd":"w', "1234"]);
  logger.info({ workspaceId: "w", note: "it is 1234", count: 1234 }, "a sentence");
  expect(parse(lines[0])).toMatchObject({
    level: 30,
    workspaceId: "w",
    note: "it is ***",
    msg: "a sentence",
  });
});

it("keeps name, code, place and causes of a foreign error, and not its text", () => {
  const { logger, lines } = capture();
  const cause = Object.assign(new Error("duplicate key (value)=(s3cret-value)"), { code: "23505" });
  const error = new Error("Failed query: insert\nparams: s3cret-value", { cause });
  logger.error({ err: error }, "a request failed");
  const logged = parse(lines[0])["err"] as { stack: string; cause: { code: string } };
  expect(lines[0]).not.toContain("s3cret-value");
  expect(logged.stack).toContain("logger.test.ts");
  expect(logged.cause.code).toBe("23505");
});

it("keeps the text of our own errors and of errors that quote nothing", () => {
  const { logger, lines } = capture();
  logger.error({ err: new ProvisionerError("ERR_X", "what failed") });
  logger.error({ err: new TypeError("x is not a function") });
  logger.error({
    err: Object.assign(new Error("connect ECONNREFUSED"), {
      syscall: "connect",
      code: "ECONNREFUSED",
    }),
  });
  expect(lines[0]).toContain("what failed");
  expect(lines[1]).toContain("x is not a function");
  expect(lines[2]).toContain("connect ECONNREFUSED");
});

it("survives what is thrown but no error, and causes without end", () => {
  const { logger, lines } = capture();
  const endless = new Error("endless");
  endless.cause = endless;
  logger.error({ err: "s3cret" });
  logger.error({ err: endless });
  expect(lines).toHaveLength(2);
  expect(lines[0]).not.toContain("s3cret");
});
