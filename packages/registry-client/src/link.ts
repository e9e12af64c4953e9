const LONGEST_HEADER = 16 * 1024;

/** Target of the `rel="next"` link of a Link header, as written; undefined when there is none. */
export function nextLink(header: string | readonly string[] | undefined): string | undefined {
  const text = (typeof header === "string" ? header : (header ?? []).join(", ")).slice(
    0,
    LONGEST_HEADER,
  );
  let at = 0;
  while (at < text.length) {
    const open = text.indexOf("<", at);
    const close = open === -1 ? -1 : text.indexOf(">", open);
    if (close === -1) return undefined;
    const { parameters, end } = readParameters(text, close + 1);
    if (parameters.some(isNext)) return text.slice(open + 1, close);
    at = end + 1;
  }
  return undefined;
}

/** What stands between semicolons from `from` on, up to the comma that ends a link. */
function readParameters(
  text: string,
  from: number,
): { readonly parameters: readonly string[]; readonly end: number } {
  const parameters: string[] = [];
  let isQuoted = false;
  let start = from;
  let end = from;
  for (; end < text.length; end += 1) {
    const character = text[end];
    if (character === '"') isQuoted = !isQuoted;
    if (isQuoted || (character !== ";" && character !== ",")) continue;
    parameters.push(text.slice(start, end));
    start = end + 1;
    if (character === ",") return { parameters, end };
  }
  parameters.push(text.slice(start));
  return { parameters, end };
}

function isNext(parameter: string): boolean {
  const equals = parameter.indexOf("=");
  if (equals === -1 || parameter.slice(0, equals).trim().toLowerCase() !== "rel") return false;
  const relations = parameter
    .slice(equals + 1)
    .trim()
    .replaceAll('"', "");
  return relations.toLowerCase().split(/\s+/).includes("next");
}
