import { parseApk } from "./apk.js";
import { parseApt } from "./apt.js";
import { parseCargo } from "./cargo.js";
import { parseCmake } from "./cmake.js";
import { parseCompiler } from "./compiler.js";
import { parseCondition } from "./conditions.js";
import { parseDnf } from "./dnf.js";
import { parseDocker } from "./docker.js";
import { parseEsbuild } from "./esbuild.js";
import { parseEslint } from "./eslint.js";
import { parseGeneric } from "./generic.js";
import { parseGit } from "./git.js";
import { parseGo } from "./go.js";
import { parseMake } from "./make.js";
import { parseNode } from "./node.js";
import { parseNpm } from "./npm.js";
import { parsePip } from "./pip.js";
import { parsePnpm } from "./pnpm.js";
import { parsePoetry } from "./poetry.js";
import { parseProcess } from "./process.js";
import { parsePython } from "./python.js";
import { parseShell } from "./shell.js";
import type { ToolParser } from "./tool-parser.js";
import { parseTransferTool } from "./transfer.js";
import { parseTypescript } from "./typescript.js";
import { parseUv } from "./uv.js";
import { parseYarn } from "./yarn.js";

/** The first that knows a line has it: what is sure of its form comes before what only looks for words. */
export const ALL_TOOLS: readonly ToolParser[] = [
  parseGo,
  parseTypescript,
  parseCompiler,
  parsePython,
  parseNode,
  parseEsbuild,
  parseEslint,
  parseNpm,
  parsePnpm,
  parseYarn,
  parsePip,
  parseUv,
  parsePoetry,
  parseApk,
  parseApt,
  parseDnf,
  parseCargo,
  parseCmake,
  parseMake,
  parseTransferTool,
  parseGit,
  parseShell,
  parseDocker,
  parseCondition,
  parseProcess,
  parseGeneric,
];
