import { findInImages } from "./findings/image-findings.js";
import { findInPackages } from "./findings/package-findings.js";
import { finding } from "./findings/rules.js";
import { findInStep } from "./findings/run-findings.js";
import { findRootUser } from "./findings/user-finding.js";
import { findInVariables } from "./findings/variable-findings.js";
import { listImages, listLineage } from "./images/base-images.js";
import type {
  Finding,
  Inventory,
  InventoryArgument,
  InventoryPackage,
  InventoryStage,
} from "./inventory.js";
import { findPackages } from "./managers/find-packages.js";
import { shownText } from "./output/shown-text.js";
import { readDockerfile } from "./reading/read-dockerfile.js";
import { createPlaceOf } from "./stages/place.js";
import { reachOf, type Reach } from "./stages/reach.js";
import { readStages, type BuildArguments } from "./stages/read-stages.js";
import type { Stage, StagedDockerfile, Step } from "./stages/stage.js";
import { isSecretName, isSecretValue } from "./variables/secret-names.js";

export interface InventoryOptions {
  /** Name or number of the stage that is built; the last one by default. */
  readonly target?: string | undefined;
  /** Values for ARGs, as `docker build --build-arg` gives them. */
  readonly buildArgs?: BuildArguments | undefined;
}

/**
 * What a Dockerfile says of the image it makes. Pure, in time linear in the length of the text; junk
 * gives findings, not errors. Values that look like secrets are in no part of the result.
 *
 * @throws DockerfileError `ERR_DOCKERFILE_TOO_LARGE`, `ERR_DOCKERFILE_BINARY`,
 * `ERR_DOCKERFILE_TARGET`
 */
export function extractInventory(text: string, options: InventoryOptions = {}): Inventory {
  const dockerfile = readDockerfile(text);
  const staged = readStages(dockerfile, options.buildArgs ?? {});
  const { stages } = staged;
  const reach = reachOf(stages, options.target);
  const placeOf = createPlaceOf(reach);
  const images = listImages(dockerfile, stages, placeOf);
  const { packages, files } = findPackages(stages, placeOf);
  const findings = [
    ...dockerfile.problems.map(({ line, message }) =>
      finding("not-buildable", shownText(message), { line }),
    ),
    ...findInImages(images),
    ...findInVariables(staged),
    ...findInPackages(packages),
    ...stages.flatMap((stage) => stage.steps.flatMap((step) => findInStep(stage, step))),
    ...findRootUser(stages, reach.target),
  ];
  return {
    schemaVersion: 1,
    ...(reach.target === undefined
      ? {}
      : { target: reach.target.name ?? String(reach.target.index) }),
    stages: stages.map((stage) => describeStage(stage, reach)),
    args: listArguments(staged),
    baseImages: sortBy(images, ({ name, version, line }) => [name, version ?? "", line]),
    lineage: sortBy(withoutDoubles(listLineage(images)), ({ name, version, stage }) => [
      name,
      version,
      stage,
    ]),
    packages: sortBy(bestOfEach(packages), ({ manager, name, version, line }) => [
      manager,
      name,
      version ?? "",
      line,
    ]),
    dependencyFiles: sortBy(files, ({ line, manager, path }) => [line, manager, path]),
    findings: sortBy(withoutRepeats(findings), ({ line, rule, message }) => [line, rule, message]),
  };
}

function describeStage(stage: Stage, { target, needed, ships }: Reach): InventoryStage {
  const { index, name, from, base } = stage;
  return {
    index,
    ...(name === undefined ? {} : { name }),
    line: from.line,
    base: shownText(base.reference),
    ...(base.stage === undefined ? {} : { parent: base.stage }),
    final: stage === target,
    needed: needed[index] === true,
    ships: ships[index] ?? "no",
  };
}

function listArguments({ globals, stages }: StagedDockerfile): InventoryArgument[] {
  const list = (steps: readonly Step[], stageIndex?: number): InventoryArgument[] =>
    steps
      .filter(({ instruction }) => instruction.keyword === "ARG")
      .flatMap(({ instruction, assignments }) =>
        assignments.map(({ name, value }) => ({
          name,
          ...describeDefault(name, value),
          line: instruction.line,
          ...(stageIndex === undefined ? {} : { stageIndex }),
          sourceRef: shownText(instruction.source.text),
        })),
      );
  return [...list(globals), ...stages.flatMap(({ steps, index }) => list(steps, index))];
}

function describeDefault(
  name: string,
  value: string | undefined,
): Pick<InventoryArgument, "default" | "hidden"> {
  if (value === undefined) return {};
  if (value !== "" && (isSecretName(name) || isSecretValue(value))) return { hidden: true };
  return { default: shownText(value) };
}

/** Of one package in one stage, the entry that says most: a version before none, then a pinned one. */
function bestOfEach(packages: readonly InventoryPackage[]): InventoryPackage[] {
  const best = new Map<string, InventoryPackage>();
  const worth = ({ version, pinned }: InventoryPackage): number =>
    (version === undefined ? 0 : 2) + (pinned ? 1 : 0);
  for (const item of packages) {
    const key = `${item.stageIndex} ${item.manager} ${item.name}`;
    const known = best.get(key);
    if (known === undefined || worth(item) > worth(known)) best.set(key, item);
  }
  return [...best.values()];
}

function withoutDoubles<
  T extends { readonly name: string; readonly version: string; readonly stage: string },
>(items: readonly T[]): T[] {
  const byKey = new Map<string, T>();
  for (const item of items) {
    const key = `${item.name} ${item.version} ${item.stage}`;
    if (!byKey.has(key)) byKey.set(key, item);
  }
  return [...byKey.values()];
}

function withoutRepeats(findings: readonly Finding[]): Finding[] {
  const byKey = new Map(
    findings.map((item) => [`${item.line} ${item.rule} ${item.message}`, item]),
  );
  return [...byKey.values()];
}

function sortBy<T>(items: readonly T[], keysOf: (item: T) => readonly (string | number)[]): T[] {
  return items
    .map((item) => ({ item, keys: keysOf(item) }))
    .toSorted((a, b) => compareKeys(a.keys, b.keys))
    .map(({ item }) => item);
}

function compareKeys(a: readonly (string | number)[], b: readonly (string | number)[]): number {
  for (let index = 0; index < a.length; index += 1) {
    const key = a[index] ?? "";
    const other = b[index] ?? "";
    if (key < other) return -1;
    if (key > other) return 1;
  }
  return 0;
}
