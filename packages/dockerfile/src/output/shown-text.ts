import { redactUserinfo, stripControlCharacters } from "@molecule-ai/core";
import { isSecretName, isSecretValue } from "../variables/secret-names.js";

const MAX_LENGTH = 300;
const MASK = "***";
/** Shorter ones cannot be told from other words. */
const SHORTEST_SECRET = 15;
const NAME = /^[\w./:@+-]*$/;
/** Most text is this, and needs only few of the steps below. */
const PLAIN = /^[!-~]*(?: [!-~]+)*$/;
const SCHEME = /\b(bearer|basic)\s[\w.~+/=-]{8,}/gi;

/** Text of a Dockerfile made fit to be shown: on one line, bounded, and without what looks secret. */
export function shownText(text: string): string {
  if (text.length < SHORTEST_SECRET && NAME.test(text)) return text;
  const begin = text.length > 4 * MAX_LENGTH ? text.slice(0, 4 * MAX_LENGTH) : text;
  const line = PLAIN.test(begin)
    ? begin
    : stripControlCharacters(begin).replace(/\s+/g, " ").trim();
  const anonymous = line.includes("@") ? redactUserinfo(line) : line;
  const shown = maskWords(anonymous).replace(SCHEME, `$1 ${MASK}`);
  return shown.length <= MAX_LENGTH ? shown : `${shown.slice(0, MAX_LENGTH - 1)}…`;
}

function maskWords(line: string): string {
  const words = line.includes("=") ? line.split(" ").map(maskAssignment) : undefined;
  if (!isSecretValue(line)) return words?.join(" ") ?? line;
  return (words ?? line.split(" ")).map((word) => (isSecretValue(word) ? MASK : word)).join(" ");
}

function maskAssignment(word: string): string {
  const equals = word.indexOf("=");
  if (equals < 1) return word;
  const name =
    word
      .slice(0, equals)
      .split(/[^\w.-]/)
      .at(-1) ?? "";
  return isSecretName(name) ? `${word.slice(0, equals + 1)}${MASK}` : word;
}
