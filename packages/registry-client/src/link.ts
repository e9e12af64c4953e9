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
    const end = endOfLink(text, close + 1);
    if (isNext(text.slice(close + 1, end))) return text.slice(open + 1, close);
    at = end + 1;
  }
  return undefined;
}

/** Where the comma is that ends the parameters beginning at `from`; the end of the text without one. */
function endOfLink(text: string, from: number): number {
  let isQuoted = false;
  for (let at = from; at < text.length; at += 1) {
    if (text[at] === '"') isQuoted = !isQuoted;
    else if (text[at] === "," && !isQuoted) return at;
  }
  return text.length;
}

function isNext(parameters: string): boolean {
  return parameters.split(";").some((parameter) => {
    const equals = parameter.indexOf("=");
    if (equals === -1 || parameter.slice(0, equals).trim().toLowerCase() !== "rel") return false;
    const relations = parameter
      .slice(equals + 1)
      .trim()
      .replaceAll('"', "");
    return relations.toLowerCase().split(/\s+/).includes("next");
  });
}
