import type { BuildOptions } from "../image-builder.js";
import type { BackendCandidate } from "./backend.js";
import { draftBackends, type BackendDraft } from "./draft-backends.js";
import { missingCapabilities } from "./requirements.js";
import type { BuildSettings } from "./settings.js";
import type { Survey } from "./survey.js";

/** A way to build, judged. */
export type JudgedBackend = Pick<BackendDraft, "choice" | "isNamed"> & {
  readonly candidate: BackendCandidate;
};

/**
 * Every way to build in the order it would be taken, with the verdict on each. What an operator named
 * comes first (`MOLECULE_BUILDER`, then `BUILDKIT_HOST`) and is never passed over; then the engine's
 * BuildKit, buildx on the engine, a builder of our own in a container, and the classic builder.
 */
export function judgeBackends(
  survey: Survey,
  settings: BuildSettings,
  need: BuildOptions | undefined,
): readonly JudgedBackend[] {
  const judged = draftBackends(survey, settings).map((draft) => judge(draft, need));
  const winner = choose(judged, settings);
  return judged.map((backend) => ({
    ...backend,
    candidate: withVerdict(backend, winner, settings),
  }));
}

/** Undefined when nothing can be used, or what was named cannot. */
function choose(
  judged: readonly JudgedBackend[],
  settings: BuildSettings,
): JudgedBackend | undefined {
  const wanted =
    settings.backend === "auto"
      ? judged
      : judged.filter(({ choice }) => choice === settings.backend);
  const named = wanted.find(({ isNamed }) => isNamed);
  if (named !== undefined) return isUsable(named) ? named : undefined;
  return wanted.find(isUsable);
}

function isUsable({ candidate }: JudgedBackend): boolean {
  return candidate.verdict === "usable";
}

function judge(draft: BackendDraft, need: BuildOptions | undefined): JudgedBackend {
  const { choice, isNamed, found, state, ...rest } = draft;
  const capabilities = state.kind === "healthy" ? state.capabilities : undefined;
  const missing =
    capabilities === undefined || need === undefined ? [] : missingCapabilities(need, capabilities);
  const verdict =
    state.kind === "absent"
      ? "absent"
      : state.kind === "healthy" && missing.length === 0
        ? "usable"
        : "unusable";
  const reasons = missing.length === 0 ? found : [...found, `it cannot do: ${missing.join(", ")}`];
  return { choice, isNamed, candidate: { ...rest, verdict, reasons, capabilities } };
}

function withVerdict(
  backend: JudgedBackend,
  winner: JudgedBackend | undefined,
  settings: BuildSettings,
): BackendCandidate {
  const { candidate, choice, isNamed } = backend;
  const { reasons } = candidate;
  const demanded = `MOLECULE_BUILD_BACKEND is ${settings.backend}`;
  if (backend === winner) {
    const why = isNamed
      ? "it was named"
      : settings.backend === "auto"
        ? "the first in order that can do what is asked"
        : demanded;
    return { ...candidate, verdict: "chosen", reasons: [...reasons, why] };
  }
  if (candidate.verdict !== "usable") return candidate;
  const why =
    settings.backend !== "auto" && choice !== settings.backend
      ? `not taken: ${demanded}`
      : winner === undefined || winner.isNamed
        ? "not taken: another was named"
        : "not taken: another comes before it";
  return { ...candidate, reasons: [...reasons, why] };
}
