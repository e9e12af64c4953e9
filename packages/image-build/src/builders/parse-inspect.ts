import { stripControlCharacters } from "@molecule-ai/core";
import {
  isComplete,
  type BuilderGcRule,
  type BuilderInfo,
  type BuilderNode,
} from "./builder-info.js";

type Draft<T> = { -readonly [Key in keyof T]: T[Key] };
type NodeDraft = Omit<Draft<BuilderNode>, "gcRules" | "labels"> & {
  gcRules: Draft<BuilderGcRule>[];
  labels: [string, string][];
};

const MOST_CHARACTERS = 1024 * 1024;
const MOST_NODES = 100;
const MOST_RULES = 100;
const MOST_LABELS = 1000;

/**
 * Reads what `buildx inspect` prints, of versions 0.10 to 0.36. It is the only form in which buildx
 * tells of one builder: the JSON of `buildx ls` asks every builder there is, and waits for dead ones.
 * Takes any text without throwing; `complete` says whether it was understood.
 */
export function parseInspect(output: string): BuilderInfo {
  const builder = { name: "", driver: "", lastActivity: "", error: "" };
  const nodes: NodeDraft[] = [];
  let inNodes = false;
  let section: "labels" | "rule" | "other" | undefined;

  for (const raw of output.slice(0, MOST_CHARACTERS).split("\n")) {
    const line = stripControlCharacters(raw).trimEnd();
    if (line === "") continue;
    const [key, value] = splitAtColon(line.trim());
    const node = nodes.at(-1);
    if (line.startsWith(" ") || line.startsWith("\t")) {
      if (section === "labels" && node !== undefined && node.labels.length < MOST_LABELS) {
        node.labels.push([key, value]);
      } else if (section === "rule") {
        readRule(node?.gcRules.at(-1), key, value);
      }
      continue;
    }
    section = undefined;
    if (line === "Nodes:") {
      inNodes = true;
    } else if (key === "Name" && inNodes) {
      if (nodes.length >= MOST_NODES) break;
      nodes.push(emptyNode(value));
    } else if (!inNodes && readBuilder(builder, key, value)) {
      continue;
    } else if (key === "Labels") {
      section = "labels";
    } else if (/^GC Policy rule#\d+$/.test(key)) {
      section = "rule";
      if (node !== undefined && node.gcRules.length < MOST_RULES) {
        node.gcRules.push({ all: false, scope: "" });
      }
    } else if (value === "") {
      // Features, Devices, File#…: nothing that is used.
      section = "other";
    } else {
      if (node === undefined) nodes.push(emptyNode(""));
      readNode(nodes.at(-1) as NodeDraft, key, value);
    }
  }

  const done = nodes.map((node) => ({ ...node, labels: Object.fromEntries(node.labels) }));
  return {
    name: builder.name,
    driver: builder.driver,
    lastActivity: builder.lastActivity || undefined,
    error: builder.error || undefined,
    nodes: done,
    complete: isComplete(builder.driver, done),
  };
}

function emptyNode(name: string): NodeDraft {
  return {
    name,
    endpoint: "",
    status: "",
    platforms: [],
    driverOptions: {},
    labels: [],
    gcRules: [],
  };
}

function readBuilder(
  builder: { name: string; driver: string; lastActivity: string; error: string },
  key: string,
  value: string,
): boolean {
  switch (key) {
    case "Name":
      builder.name = value;
      return true;
    case "Driver":
      builder.driver = value;
      return true;
    case "Last Activity":
      builder.lastActivity = value;
      return true;
    case "Error":
      builder.error = value;
      return true;
    default:
      return false;
  }
}

function readNode(node: NodeDraft, key: string, value: string): void {
  switch (key) {
    case "Endpoint":
      node.endpoint = value;
      break;
    case "Status":
      node.status = value;
      break;
    case "Error":
      node.status ||= "error";
      node.error = value;
      break;
    case "BuildKit version":
    // Before 0.14.
    case "BuildKit":
    // Before 0.13.
    case "Buildkit":
      node.buildkitVersion = value;
      break;
    case "BuildKit daemon flags":
    case "Flags":
      node.flags = value;
      break;
    case "Platforms":
      node.platforms = value
        .split(",")
        .map((platform) => platform.trim())
        .filter((platform) => platform !== "");
      break;
    case "Driver Options":
      node.driverOptions = parseDriverOptions(value);
      break;
  }
}

function readRule(rule: Draft<BuilderGcRule> | undefined, key: string, value: string): void {
  if (rule === undefined) return;
  switch (key) {
    case "All":
      rule.all = value === "true";
      break;
    case "Filters":
      rule.scope = value;
      break;
    case "Keep Duration":
      rule.keepDuration = value;
      break;
    case "Keep Bytes":
      rule.keepBytes = value;
      break;
    case "Reserved Space":
      rule.reserved = value;
      break;
    case "Max Used Space":
      rule.maxUsed = value;
      break;
    case "Min Free Space":
      rule.minFree = value;
      break;
  }
}

/** `image="x" memory="2g"`: Go's quoting, whose escapes are those of JSON but for a few. */
function parseDriverOptions(text: string): Record<string, string> {
  const options: [string, string][] = [];
  let from = 0;
  for (;;) {
    const equals = text.indexOf('="', from);
    if (equals < 0) return Object.fromEntries(options);
    const end = endOfQuoted(text, equals + 1);
    options.push([text.slice(from, equals).trim(), unquote(text.slice(equals + 1, end))]);
    from = end;
  }
}

/** Behind the quote that closes the one at `start`. */
function endOfQuoted(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at += 1) {
    if (text[at] === "\\") at += 1;
    else if (text[at] === '"') return at + 1;
  }
  return text.length;
}

function unquote(quoted: string): string {
  try {
    return JSON.parse(quoted) as string;
  } catch {
    return quoted.replace(/^"|"$/g, "");
  }
}

function splitAtColon(line: string): [key: string, value: string] {
  const at = line.indexOf(":");
  return at < 0 ? [line, ""] : [line.slice(0, at).trimEnd(), line.slice(at + 1).trim()];
}
