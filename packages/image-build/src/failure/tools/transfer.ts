import type { ToolParser } from "./tool-parser.js";

const CURL = /^curl: \((\d{1,3})\) (.+)$/;
const WGET = /^wget: (.+)$/;
const WGET_STATUS = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d ERROR (\d{3}): (.+)$/;

const MISSING = "The server has no such file: check the URL, and the version in it.";
const REFUSED = "The server refuses: check credentials, and give them as a build secret.";
const CERTIFICATE =
  "The server's certificate is not trusted: install ca-certificates, or the authority of your proxy.";

/** curl and wget. */
export const parseTransferTool: ToolParser = (lines, at) => {
  const line = lines[at] ?? "";
  const curl = CURL.exec(line);
  if (curl !== null) {
    const [, code = "", message = ""] = curl;
    return { entry: { tool: "curl", code, message, hint: hintFor(code, message) }, taken: 1 };
  }
  const status = WGET_STATUS.exec(line);
  if (status !== null) {
    const [, code = "", reason = ""] = status;
    const message = `ERROR ${code}: ${reason}`;
    return { entry: { tool: "wget", code, message, hint: hintFor("", message) }, taken: 1 };
  }
  const wget = WGET.exec(line)?.[1];
  if (wget === undefined) return undefined;
  return { entry: { tool: "wget", message: wget, hint: hintFor("", wget) }, taken: 1 };
};

function hintFor(code: string, message: string): string | undefined {
  if (/\b(?:404|410)\b/.test(message)) return MISSING;
  if (/\b(?:401|403)\b/.test(message)) return REFUSED;
  return code === "60" || /certificate/i.test(message) ? CERTIFICATE : undefined;
}
