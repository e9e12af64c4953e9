// Runs one gate of scripts/gates by name: `node scripts/gate.mjs engines`. Each gate exports
// `check(root)`, which resolves to its findings, one line each; none means it holds.
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";

const name = process.argv[2] ?? "";
const root = dirname(dirname(fileURLToPath(import.meta.url)));
const gate = await import(`./gates/${name}.mjs`);
const findings = await gate.check(root);
for (const finding of findings) console.error(`${name}: ${finding}`);
if (findings.length > 0) process.exitCode = 1;
else console.log(`${name}: holds`);
