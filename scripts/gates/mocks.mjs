import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { listPackages, listSources } from "../workspace.mjs";

const BANNED = /\bvi\s*\.\s*(mock|doMock|spyOn|hoisted|stubEnv|stubGlobal)\s*\(/g;

/**
 * Tests run against real peers and protocol-true doubles; module mocks and spies are not used.
 * @param {string} root
 */
export async function check(root) {
  const findings = [];
  for (const { dir } of await listPackages(root)) {
    for (const file of await listSources(root, dir)) {
      for (const call of mocksIn(await readFile(join(root, file), "utf8"))) {
        findings.push(`${file} calls ${call}`);
      }
    }
  }
  return findings;
}

/**
 * @param {string} source
 * @returns {string[]}
 */
export function mocksIn(source) {
  return [...source.matchAll(BANNED)].map((match) => `vi.${match[1]}`);
}
