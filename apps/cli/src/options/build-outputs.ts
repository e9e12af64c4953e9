import type { BuildOutput, CacheRef } from "@molecule-ai/image-build";
import { resolve } from "node:path";
import { parseAttributes } from "./attributes.js";
import { invalidOption } from "./invalid-option.js";

/** `--output directory`, `type=local,dest=directory` or `type=oci,dest=directory`; several add up. */
export function parseBuildOutputs(texts: readonly string[], cwd: string): BuildOutput {
  let directory: string | undefined;
  let ociLayout: string | undefined;
  for (const text of texts) {
    const attributes = text.includes("=")
      ? parseAttributes("--output", text)
      : new Map([
          ["type", "local"],
          ["dest", text],
        ]);
    const dest = attributes.get("dest");
    const type = attributes.get("type");
    const isTwice = type === "local" ? directory !== undefined : ociLayout !== undefined;
    if (dest === undefined || dest === "" || isTwice || (type !== "local" && type !== "oci")) {
      throw invalidOption(
        "--output",
        text,
        "Give a directory, type=local,dest=directory or type=oci,dest=directory, each once.",
      );
    }
    if (type === "local") directory = resolve(cwd, dest);
    else ociLayout = resolve(cwd, dest);
  }
  return {
    ...(directory === undefined ? {} : { directory }),
    ...(ociLayout === undefined ? {} : { ociLayout }),
  };
}

/** `--cache-from` and `--cache-to`: a reference, or `type=…` with what buildx takes beside it. */
export function parseCacheOption(
  option: "--cache-from" | "--cache-to",
  text: string,
  cwd: string,
): CacheRef {
  const direction = option === "--cache-from" ? "import" : "export";
  if (!text.includes("=")) return { type: "registry", ref: text, direction };
  const attributes = parseAttributes(option, text);
  const type = attributes.get("type") ?? "";
  const place = type === "local" ? (direction === "import" ? "src" : "dest") : "ref";
  const named = attributes.get(place) ?? "";
  const mode = attributes.get("mode");
  const isPlaced = type !== "registry" && type !== "local";
  if (type === "" || (named === "" && !isPlaced) || !isMode(mode)) {
    throw invalidOption(
      option,
      text,
      `Give a reference, type=registry,ref=reference or type=local,${place}=directory; mode is min or max.`,
    );
  }
  const rest = [...attributes].filter(([key]) => !["type", place, "mode"].includes(key));
  return {
    type,
    ref: type === "local" ? resolve(cwd, named) : named,
    direction,
    ...(mode === undefined ? {} : { mode }),
    ...(rest.length === 0 ? {} : { attributes: Object.fromEntries(rest) }),
  };
}

function isMode(mode: string | undefined): mode is "min" | "max" | undefined {
  return mode === undefined || mode === "min" || mode === "max";
}
