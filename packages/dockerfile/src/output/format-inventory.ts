import type { Inventory, InventoryPackage, Place } from "../inventory.js";
import { formatColumns, type Column } from "./columns.js";

export interface FormatInventoryOptions {
  /** Marks headings, for a terminal. */
  readonly heading?: ((text: string) => string) | undefined;
}

/** The inventory as tables for people, safe to print; without a last newline. */
export function formatInventory(
  inventory: Inventory,
  options: FormatInventoryOptions = {},
): string {
  const { heading = (text: string) => text } = options;
  const section = <Row>(
    title: string,
    rows: readonly Row[],
    columns: readonly Column<Row>[],
  ): string[] =>
    rows.length === 0 ? [] : [`${heading(title)}\n${indent(formatColumns(rows, columns))}`];

  const { baseImages, packages, dependencyFiles, findings, stages } = inventory;
  const stageName = ({ stage, stageIndex }: Place): string =>
    stage || (stageIndex === undefined ? "-" : String(stageIndex));
  const sections = [
    ...section("Stages", stages, [
      { title: "LINE", cell: ({ line }) => String(line) },
      { title: "STAGE", cell: ({ name, index }) => name ?? String(index) },
      { title: "FROM", cell: ({ base }) => base },
      { title: "SHIPS", cell: ({ ships, needed }) => (needed ? ships : "not built") },
    ]),
    ...section("Base images", baseImages, [
      { title: "LINE", cell: ({ line }) => String(line) },
      { title: "IMAGE", cell: ({ reference }) => reference },
      { title: "PINNED", cell: pinText },
      { title: "STAGE", cell: stageName },
      { title: "SHIPS", cell: ({ ships }) => ships },
    ]),
    ...section("Packages and downloads", packages, [
      { title: "LINE", cell: ({ line }) => String(line) },
      { title: "MANAGER", cell: ({ manager }) => manager },
      { title: "NAME", cell: ({ name }) => name },
      { title: "VERSION", cell: ({ version }) => version ?? "-" },
      { title: "PINNED", cell: pinText },
      { title: "CHECKED", cell: checkText },
      { title: "STAGE", cell: stageName },
      { title: "SHIPS", cell: ({ ships }) => ships },
    ]),
    ...section("Files that name packages", dependencyFiles, [
      { title: "LINE", cell: ({ line }) => String(line) },
      { title: "MANAGER", cell: ({ manager }) => manager },
      { title: "FILE", cell: ({ path }) => path },
      { title: "LOCKED", cell: ({ locked }) => (locked ? "yes" : "no") },
      { title: "STAGE", cell: stageName },
      { title: "SHIPS", cell: ({ ships }) => ships },
    ]),
    ...section("Findings", findings, [
      { title: "LINE", cell: ({ line }) => String(line) },
      { title: "SEVERITY", cell: ({ severity }) => severity },
      { title: "RULE", cell: ({ rule }) => rule },
      { title: "WHAT, AND WHAT TO DO", cell: ({ message, remedy }) => `${message}\n${remedy}` },
    ]),
  ];
  if (findings.length === 0) sections.push("No findings.");
  return sections.join("\n\n");
}

function pinText({ pinned, pinReason }: Pick<InventoryPackage, "pinned" | "pinReason">): string {
  return `${pinned ? "yes" : "no"}, ${pinReason}`;
}

function checkText({ verification, manager }: InventoryPackage): string {
  return verification?.method ?? (manager === "binary" ? "no" : "-");
}

function indent(text: string): string {
  return text.replace(/^(?=.)/gm, "  ");
}
