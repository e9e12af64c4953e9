import type { TrustLevel } from "@molecule-ai/image-trust";
import { invalidOption } from "./invalid-option.js";

const LEVELS: readonly TrustLevel[] = ["viable", "consistent", "deterministic", "reproducible"];

/** A level of `rebuild`. */
export function parseTrustLevel(text: string): TrustLevel {
  const level = LEVELS.find((known) => known === text);
  if (level !== undefined) return level;
  throw invalidOption("--at-least", text, `one of ${LEVELS.join(", ")}`);
}
