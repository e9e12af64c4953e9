import { DEFAULT_RUNTIME, isRuntimeName } from "@molecule-ai/registry-mode";
import { isTemplateName } from "../templates/template-catalog.js";

export interface RestartTemplateRequest {
  /** Named in the request. */
  readonly template: string | undefined;
  readonly applyTemplate: boolean;
  readonly rebuildConfig: boolean;
}

/**
 * The template a restarted workspace is configured by; undefined leaves its configuration as it is.
 * A named one comes first, then the one it was made from (to rebuild), the one of its own name, and
 * the default one of its runtime.
 * `exists` is asked only for what can be the name of a template.
 */
export async function chooseRestartTemplate(
  workspace: {
    readonly name: string;
    readonly runtime: string;
    readonly template: string | null;
  },
  request: RestartTemplateRequest,
  exists: (name: string) => Promise<boolean>,
): Promise<string | undefined> {
  const { applyTemplate, rebuildConfig } = request;
  const runtime = isRuntimeName(workspace.runtime) ? workspace.runtime : DEFAULT_RUNTIME;
  const candidates = [
    request.template,
    ...(rebuildConfig ? [workspace.template] : []),
    ...(applyTemplate || rebuildConfig
      ? [workspace.name, directoryName(workspace.name), `${runtime}-default`]
      : []),
  ];
  for (const candidate of candidates) {
    if (candidate === undefined || candidate === null || !isTemplateName(candidate)) continue;
    if (await exists(candidate)) return candidate;
  }
  return undefined;
}

/** `Research Agent` keeps its template in `research-agent`. */
function directoryName(name: string): string {
  return name.trim().toLowerCase().replaceAll(/\s+/g, "-");
}
