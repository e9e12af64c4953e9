import fc from "fast-check";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parseList } from "./parse-list.js";

test("every builder is listed once, though buildx 0.13 prints it again for each node", () => {
  const text = readFileSync(
    join(import.meta.dirname, "../../test/fixtures/buildx-0.13.1-ls.ndjson"),
    "utf8",
  );
  const builders = parseList(text);
  expect(builders.map(({ name, driver, nodes }) => [name, driver, nodes.length])).toEqual([
    ["molecule-c1", "docker-container", 1],
    ["r1", "remote", 1],
    ["two", "remote", 2],
    ["default", "docker", 1],
  ]);
  expect(builders.every(({ complete }) => complete)).toBe(true);
  expect(builders[0]?.nodes[0]).toMatchObject({
    driverOptions: { memory: "2147483648" },
    flags: "--allow-insecure-entitlement=network.host",
  });
  expect(builders[3]).toMatchObject({ lastActivity: undefined });
});

test("rules of garbage collection read as buildx inspect prints them, old and new", () => {
  const line = JSON.stringify({
    Name: "b",
    Driver: "docker-container",
    Nodes: [
      {
        Name: "b0",
        Endpoint: "e",
        Status: "running",
        GCPolicy: [
          {
            all: false,
            filter: ["type==source.local", "type==exec.cachemount"],
            keepDuration: 48 * 3600 * 1e9,
            keepBytes: 512e6,
          },
          { all: true, filter: null, keepDuration: 90 * 1e9, maxUsedSpace: 1e11, minFreeSpace: 0 },
        ],
      },
    ],
  });
  expect(parseList(line)[0]?.nodes[0]?.gcRules).toEqual([
    {
      all: false,
      scope: "type==source.local,type==exec.cachemount",
      keepDuration: "48h0m0s",
      keepBytes: "488.3MiB",
    },
    { all: true, scope: "", keepDuration: "1m30s", maxUsed: "93.13GiB" },
  ]);
});

test("a list may be anything", () => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof(fc.json(), fc.string(), fc.constant('{"Name":"a","Nodes":[{}]}'))),
      (lines) => {
        for (const { name } of parseList(lines.join("\n"))) expect(name).not.toBe("");
      },
    ),
  );
});
