import type { BuildOptions } from "../image-builder.js";
import type { BackendCandidate } from "./backend.js";
import { judgeBackends } from "./judge-backends.js";
import { surveyBackends, type SurveyOptions } from "./survey.js";

export interface ExplainBackendOptions extends SurveyOptions {
  /** What the build will ask for; without it every healthy backend is usable. */
  readonly need?: BuildOptions | undefined;
}

/**
 * Every way to build on this machine in the order they are taken, which one a build would get, and
 * why each of the others is not it. Nothing is made or changed. Rejects only when the caller aborts.
 */
export async function explainBackend(
  options: ExplainBackendOptions,
): Promise<readonly BackendCandidate[]> {
  const survey = await surveyBackends(options);
  return judgeBackends(survey, options.settings, options.need).map(({ candidate }) => candidate);
}
