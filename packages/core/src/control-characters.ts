// CSI and OSC sequences first, whole, so that their printable tails do not stay behind.
const ESCAPE_SEQUENCE =
  // oxlint-disable-next-line no-control-regex
  /\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|[@-Z\\-_])|\u009b[0-?]*[ -/]*[@-~]/g;

// C0 (but tab and newline), DEL, C1, and the bidirectional overrides that reorder what a reader sees.
const CONTROL =
  // oxlint-disable-next-line no-control-regex
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/**
 * Untrusted text made safe to print: terminal escape sequences, control characters and
 * bidirectional overrides are removed; tab and newline stay, and CRLF becomes LF.
 */
export function stripControlCharacters(text: string): string {
  // Every escape sequence begins with a control character.
  if (text.search(CONTROL) === -1) return text;
  return text.replace(ESCAPE_SEQUENCE, "").replace(CONTROL, "");
}
