/** What BuildKit, its frontend and gRPC put before a reason, layer by layer. */
const PREAMBLE =
  /^(?:rpc error: code = \w{1,40} desc = |failed to (?:solve|create|read|parse)[^:]{0,80}: )+/;

export function withoutPreamble(text: string): string {
  return text.replace(PREAMBLE, "");
}
