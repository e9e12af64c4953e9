/** The JSON value that `text` is, or undefined, which no schema takes for an answer. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
