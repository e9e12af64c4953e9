import type { PackageManager, Place } from "../inventory.js";
import type { InventoryDependencyFile, InventoryPackage } from "../inventory.js";
import { distributionOfImage, type Distribution } from "../images/distribution.js";
import { splitImageName, splitTag } from "../images/image-name.js";
import { shownText } from "../output/shown-text.js";
import type { ProgramRun } from "../shell/run-commands.js";
import type { PlaceOf } from "../stages/place.js";
import type { Stage } from "../stages/stage.js";
import { readAdd } from "./added-url.js";
import { readApk } from "./apk.js";
import { readApt } from "./apt.js";
import { readCargo } from "./cargo.js";
import { describeDownload } from "./downloads.js";
import type { Found } from "./found.js";
import { readGalaxy } from "./galaxy.js";
import { readBundle, readGem } from "./gem.js";
import { readGit } from "./git.js";
import { readGo } from "./go.js";
import { readCorepack, readNpm, readPnpm, readYarn } from "./node.js";
import { moduleRun, readPip, readPipx, readPoetry, readUv } from "./python.js";
import { readRpm, readZypper } from "./rpm.js";

/** Longer words are no names of packages. */
const MAX_WORD_LENGTH = 256;

const READERS: ReadonlyMap<string, (run: ProgramRun) => Found[]> = new Map(
  Object.entries({
    "ansible-galaxy": readGalaxy,
    apk: readApk,
    apt: readApt,
    "apt-get": readApt,
    aptitude: readApt,
    bundle: readBundle,
    cargo: readCargo,
    corepack: readCorepack,
    dnf: (run) => readRpm("dnf", run),
    dnf5: (run) => readRpm("dnf", run),
    gem: readGem,
    git: readGit,
    go: readGo,
    microdnf: (run) => readRpm("dnf", run),
    npm: readNpm,
    pipx: readPipx,
    pnpm: readPnpm,
    poetry: readPoetry,
    tdnf: (run) => readRpm("dnf", run),
    uv: readUv,
    yarn: readYarn,
    yum: (run) => readRpm("yum", run),
    zypper: readZypper,
  }),
);
/** Managers whose packages are those of the distribution. */
export const SYSTEM_MANAGERS: ReadonlySet<PackageManager> = new Set([
  "apk",
  "apt",
  "dnf",
  "yum",
  "zypper",
]);

export interface FoundPackages {
  readonly packages: InventoryPackage[];
  readonly files: InventoryDependencyFile[];
}

/** What the instructions of all stages install and download, in their order. */
export function findPackages(stages: readonly Stage[], placeOf: PlaceOf): FoundPackages {
  const packages: InventoryPackage[] = [];
  const files: InventoryDependencyFile[] = [];
  const distributions: (Distribution | undefined)[] = [];
  for (const stage of stages) {
    const distribution = distributionOfStage(stage, distributions);
    distributions.push(distribution);
    const add = (found: readonly Found[], line: number, text: string, before = ""): void => {
      if (found.length === 0) return;
      const { place } = placeOf(stage, line);
      const sourceRef = before + shownText(text);
      for (const item of found) {
        if (item.kind === "file") {
          const { manager, path, locked } = item;
          files.push({ manager, path: shownText(path), locked, ...place, sourceRef });
        } else packages.push(describe(item, place, sourceRef, distribution));
      }
    };
    for (const step of stage.steps) {
      const { instruction, programs, downloads } = step;
      if (instruction.keyword === "ADD") {
        add(readAdd(step), instruction.line, instruction.source.text);
      }
      for (const run of programs) add(readInstaller(run), run.line, run.text, "RUN ");
      for (const { url, verification, isCheckFile, isQuestion, run } of downloads) {
        if (isCheckFile || isQuestion) continue;
        add([describeDownload(url, verification)], run.line, run.text, "RUN ");
      }
    }
  }
  return { packages, files };
}

function readInstaller(run: ProgramRun): readonly Found[] {
  const read = readerOf(run.program);
  if (read === undefined) return [];
  return read({ ...run, args: run.args.filter(({ text }) => text.length <= MAX_WORD_LENGTH) });
}

function readerOf(program: string): ((run: ProgramRun) => readonly Found[]) | undefined {
  if (!program.startsWith("p")) return READERS.get(program);
  if (/^pip(?:\d[\d.]*)?$/.test(program)) return readPip;
  return /^(?:python|pypy)(?:\d[\d.]*)?$/.test(program) ? readModule : READERS.get(program);
}

function readModule(run: ProgramRun): readonly Found[] {
  const module = moduleRun(run);
  return module === undefined || module.program.startsWith("python") ? [] : readInstaller(module);
}

function describe(
  item: Extract<Found, { kind: "package" }>,
  place: Place,
  sourceRef: string,
  distribution: Distribution | undefined,
): InventoryPackage {
  const { manager, version, url, resolvedUrl, verification, pinned, pinReason } = item;
  const isSystem = distribution !== undefined && SYSTEM_MANAGERS.has(manager);
  // Field by field: of a long Dockerfile there are thousands.
  const described: Draft = { manager, name: shownText(item.name) };
  if (version !== undefined) described.version = shownText(version);
  if (url !== undefined) described.url = shownText(url);
  if (resolvedUrl !== undefined) described.resolvedUrl = shownText(resolvedUrl);
  if (verification !== undefined) described.verification = verification;
  described.pinned = pinned;
  described.pinReason = pinReason;
  if (isSystem) {
    const { name, version: release } = distribution;
    described.distribution = name + (release && `-${release}`);
  }
  return Object.assign(described, place, { sourceRef }) as InventoryPackage;
}

type Draft = { -readonly [Key in keyof InventoryPackage]?: InventoryPackage[Key] };

function distributionOfStage(
  { base }: Stage,
  known: readonly (Distribution | undefined)[],
): Distribution | undefined {
  if (base.stage !== undefined) return known[base.stage];
  const { name, tag = "" } = splitImageName(base.reference);
  const { version, suffix } = splitTag(tag);
  return distributionOfImage(name, version, suffix);
}
