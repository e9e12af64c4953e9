/**
 * What buildx puts before a line of a step: `#12 4.512 `, in its error block `4.512 `, on a terminal
 * ` => `, ` => => ` and `=> => # `.
 */
const PREFIX = /^(?:#\d{1,7} (?:\d{1,9}\.\d{1,6} )?|\d{1,9}\.\d{1,6} | ?(?:=> ){1,3}(?:# )?)/;

export function stripLogPrefix(line: string): string {
  return line.replace(PREFIX, "");
}
