import { redactUserinfo, stripControlCharacters } from "@molecule-ai/core";
import { isSecretName, isSecretValue } from "../variables/secret-names.js";

const MAX_LENGTH = 300;
const MASK = "***";

/** Text of a Dockerfile made fit to be shown: on one line, bounded, and without what looks secret. */
export function shownText(text: string): string {
  const line = redactUserinfo(stripControlCharacters(text.slice(0, 4 * MAX_LENGTH)))
    .replace(/\s+/g, " ")
    .trim()
    .replace(/\b(bearer|basic)\s[\w.~+/=-]{8,}/gi, `$1 ${MASK}`)
    .split(" ")
    .map(maskSecret)
    .join(" ");
  return line.length <= MAX_LENGTH ? line : `${line.slice(0, MAX_LENGTH - 1)}…`;
}

function maskSecret(word: string): string {
  if (isSecretValue(word)) return MASK;
  const equals = word.indexOf("=");
  const name = word.slice(0, equals).replace(/^.*[^\w.-]/, "");
  return equals > 0 && isSecretName(name) ? `${word.slice(0, equals + 1)}${MASK}` : word;
}
