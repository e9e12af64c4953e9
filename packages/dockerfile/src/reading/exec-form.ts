/** The strings of a JSON array; undefined for what is none, which is then meant for a shell. */
export function parseExecForm(text: string): readonly string[] | undefined {
  if (!text.startsWith("[") || !text.endsWith("]")) return undefined;
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!Array.isArray(parsed)) return undefined;
  const words = parsed.filter((word): word is string => typeof word === "string");
  return words.length === parsed.length ? words : undefined;
}
