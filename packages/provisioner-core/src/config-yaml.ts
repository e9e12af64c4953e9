import { parseDocument } from "yaml";
import { WorkspaceError } from "./errors.js";
import { DEFAULT_AGENT_PORT } from "./names.js";

export interface DefaultConfig {
  readonly name: string;
  readonly runtime: string;
  readonly tier: number;
  /** The runtime's usual model when absent. */
  readonly model?: string | undefined;
}

const RUNTIMES_WITHOUT_TIMEOUT: ReadonlySet<string> = new Set(["langgraph", "deepagents"]);

/** The `config.yaml` a workspace gets when neither a template nor the caller brings one. */
export function defaultConfigYaml(config: DefaultConfig): string {
  const model =
    config.model ?? (config.runtime === "claude-code" ? "sonnet" : "anthropic:claude-opus-4-7");
  const lines = [
    `name: ${quote(config.name)}`,
    `description: ${quote("")}`,
    "version: 1.0.0",
    `tier: ${config.tier}`,
    `runtime: ${quoteUnlessPlain(config.runtime)}`,
    `model: ${quote(model)}`,
  ];
  if (!RUNTIMES_WITHOUT_TIMEOUT.has(config.runtime)) {
    lines.push("runtime_config:", "  timeout: 0");
  }
  return `${lines.join("\n")}\n`;
}

/** Longer ones are not searched for a port: an agent can write what keeps a parser busy for minutes. */
const MOST_BYTES = 128 * 1024;

/**
 * The port of `a2a.port`, or 8000: also for text that is not YAML, which the agent itself reports
 * best. Throws `ERR_WORKSPACE_CONFIG_INVALID` when the value is no port.
 */
export function readAgentPort(configYaml: Uint8Array): number {
  if (configYaml.byteLength > MOST_BYTES) return DEFAULT_AGENT_PORT;
  const document = parseDocument(Buffer.from(configYaml).toString("utf8"), {
    logLevel: "silent",
    strict: false,
    uniqueKeys: false,
    prettyErrors: false,
  });
  let port: unknown;
  try {
    port = document.getIn(["a2a", "port"]);
  } catch {
    // `a2a` is a scalar: the runtime decides what that means, there is no port in it.
    return DEFAULT_AGENT_PORT;
  }
  if (port === undefined || port === null) return DEFAULT_AGENT_PORT;
  if (typeof port === "number" && Number.isInteger(port) && port >= 1 && port <= 65535) return port;
  throw new WorkspaceError(
    "ERR_WORKSPACE_CONFIG_INVALID",
    `a2a.port in config.yaml is ${JSON.stringify(port)}, which is not a port.`,
    { hint: "Use a number from 1 to 65535, or leave it out for 8000." },
  );
}

/** A JSON string is a YAML double-quoted scalar, so no text can add a key. */
function quote(text: string): string {
  return JSON.stringify(text);
}

function quoteUnlessPlain(text: string): string {
  const plain =
    /^[a-z][a-z0-9-]*$/.test(text) && !/^(?:true|false|null|yes|no|on|off|y|n)$/.test(text);
  return plain ? text : quote(text);
}
