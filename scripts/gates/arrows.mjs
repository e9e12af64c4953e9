import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { listPackages, listSources } from "../workspace.mjs";

/** What a program may put together. */
const EVERYTHING = [
  "core",
  "registry-mode",
  "host-config",
  "docker-engine",
  "gitea-client",
  "dockerfile",
  "image-build",
  "image-trust",
  "local-build",
  "process-runner",
  "provisioner-core",
  "registry-client",
];

/** What each package may import of ours, as docs/architecture.md draws it. */
const ARROWS = {
  core: [],
  "registry-mode": ["core"],
  "host-config": ["core"],
  "gitea-client": ["core"],
  "docker-engine": ["core", "registry-mode"],
  "process-runner": [],
  "registry-client": ["core", "registry-mode"],
  dockerfile: ["core"],
  "image-build": [
    "core",
    "registry-mode",
    "docker-engine",
    "registry-client",
    "process-runner",
    "dockerfile",
  ],
  "image-trust": [
    "core",
    "registry-mode",
    "docker-engine",
    "registry-client",
    "process-runner",
    "image-build",
    "dockerfile",
  ],
  "local-build": [
    "core",
    "registry-mode",
    "docker-engine",
    "registry-client",
    "process-runner",
    "gitea-client",
    "image-build",
  ],
  "provisioner-core": ["core", "registry-mode", "host-config", "docker-engine"],
  testkit: ["core"],
  cli: EVERYTHING,
  server: EVERYTHING,
};
const SCOPE = "@molecule-ai/";
const IMPORT = /(?:\bfrom\s*|\bimport\s*\(?\s*|\bimport\.meta\.resolve\(\s*)["']([^"']+)["']/g;

/**
 * Every import between packages follows an arrow, is declared, and goes through the front door.
 * @param {string} root
 */
export async function check(root) {
  const findings = [];
  for (const pkg of await listPackages(root)) {
    if (!/[/\\](packages|apps)[/\\]/.test(pkg.dir)) continue;
    const room = pkg.name.slice(SCOPE.length);
    const allowed = /** @type {Record<string, string[]>} */ (ARROWS)[room];
    if (allowed === undefined) {
      findings.push(
        `${pkg.name} is not in the drawing: add it to ARROWS in scripts/gates/arrows.mjs`,
      );
      continue;
    }
    for (const file of await listSources(root, pkg.dir)) {
      const source = await readFile(join(root, file), "utf8");
      const rules = { manifest: pkg.manifest, allowed };
      for (const fault of faultsOf(source, isTest(file), rules)) findings.push(`${file} ${fault}`);
    }
  }
  return findings;
}

/** @param {string} file */
function isTest(file) {
  return /\.test\.ts$|[/\\](test|bench)[/\\]|\.config\.ts$/.test(file);
}

/**
 * What is wrong with the imports of one file.
 * @param {string} source
 * @param {boolean} test Tests may also use testkit and development dependencies.
 * @param {{ manifest: Record<string, any>, allowed: string[] }} rules
 * @returns {string[]}
 */
export function faultsOf(source, test, { manifest, allowed }) {
  const faults = [];
  const declared = new Set(Object.keys({ ...manifest["dependencies"] }));
  if (test) {
    for (const name of Object.keys({ ...manifest["devDependencies"] })) declared.add(name);
  }
  for (const [, specifier = ""] of withoutComments(source).matchAll(IMPORT)) {
    if (/^(\.\.?\/)+(packages|apps)\//.test(specifier)) {
      faults.push(`reaches into another package by path: ${specifier}`);
    }
    if (!specifier.startsWith(SCOPE)) continue;
    const room = specifier.slice(SCOPE.length).split("/")[0] ?? "";
    if (SCOPE + room === manifest["name"]) continue;
    if (!allowed.includes(room) && !(test && room === "testkit")) {
      faults.push(`imports ${SCOPE}${room}: no arrow points there`);
    }
    if (!declared.has(SCOPE + room)) faults.push(`imports ${SCOPE}${room}, which is not declared`);
  }
  return faults;
}

/** @param {string} source */
function withoutComments(source) {
  return source.replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, "");
}
