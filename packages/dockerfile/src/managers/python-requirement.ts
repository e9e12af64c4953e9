import type { PackageManager } from "../inventory.js";
import type { Argument } from "../shell/argument.js";
import { fileNameOf, hostOf } from "./binary-name.js";
import { exactly, isLocalPath, isUrl, loosely, pin, unversioned, type Found } from "./found.js";

const COMMIT = /@[0-9a-f]{40}(?:#|$)/;

/** `name[extra]>=1,<2; marker`, `name @ https://…`, `git+https://…@v1`; nothing for local paths. */
export function readRequirement(manager: PackageManager, argument: Argument): Found[] {
  const text = argument.text.split(";")[0]?.trim() ?? "";
  if (text === "" || isLocalPath(argument) || /\.(?:whl|tar\.gz|zip|txt)$/.test(stripUrl(text))) {
    return [];
  }
  const direct = /^([A-Za-z0-9][\w.-]*)\s*(?:\[[^\]]*\])?\s*@\s*(.+)$/.exec(text);
  if (direct !== null) return [readUrl(manager, direct[1], direct[2] ?? "")];
  if (isUrl(text)) return [readUrl(manager, undefined, text)];
  const [, name = "", specifier = ""] = /^([^<>=~![\s]+)(?:\[[^\]]*\])?\s*(.*)$/.exec(text) ?? [];
  if (name === "") return [];
  if (specifier === "") return [unversioned(manager, name)];
  const exact = /^={2,3}\s*([^,*\s]+)$/.exec(specifier);
  if (exact !== null) return [exactly(manager, name, exact[1] ?? "")];
  const only = /^[<>]=\s*([^,\s]+)$/.exec(specifier);
  return [loosely(manager, name, only?.[1] ?? specifier, "range")];
}

function readUrl(manager: PackageManager, name: string | undefined, url: string): Found {
  const egg = /#(?:.*&)?egg=([\w.-]+)/.exec(url)?.[1];
  const [file = ""] = fileNameOf(url).split("@");
  const guessed = file.replace(/\.(?:git|zip|whl|tar\.gz)$/, "");
  const hash = /#(?:.*&)?(sha(?:256|384|512))=([0-9a-f]+)/.exec(url);
  const isPinned = hash !== null || COMMIT.test(url);
  return {
    kind: "package",
    manager,
    name: name ?? egg ?? (guessed === "" ? hostOf(url) : guessed),
    url,
    ...(hash === null ? {} : { verification: { method: hash[1] ?? "", value: hash[2] } }),
    ...pin(hash !== null ? "checksum" : isPinned ? "digest" : "moving-name"),
  };
}

/** A URL may end as a file does and still be one. */
function stripUrl(text: string): string {
  return text.includes("://") ? "" : text;
}
