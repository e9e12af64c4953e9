import { CliError } from "../errors.js";

/** A token as it can stand in a header: printable ASCII, no spaces. */
const TOKEN = /^[\x21-\x7e]{8,4096}$/;

/** The one token that `text` holds; surrounding white space does not count. The text is in no error. */
export function parseToken(source: string, text: string): string {
  const token = text.trim();
  if (TOKEN.test(token)) return token;
  throw new CliError("ERR_CLI_TOKEN_INVALID", `${source} does not hold one token`, {
    hint: "A token is one word of 8 to 4096 printable characters.",
  });
}
