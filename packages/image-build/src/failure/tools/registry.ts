import type { Symptom } from "./tool-parser.js";

/** What registries answer about images. */
export const REGISTRY_SYMPTOMS: readonly Symptom[] = [
  {
    pattern: /toomanyrequests|too many requests|rate limit/i,
    hint: "The registry limits anonymous pulls: log in to it, use a mirror, or wait.",
  },
  {
    pattern: /x509|certificate signed by unknown authority|tls: failed to verify/i,
    hint: "The engine does not trust the registry's certificate: add its authority to the engine, or name the registry as insecure if it is your own.",
  },
  {
    pattern:
      /manifest unknown|manifest for .{1,300} not found|not found: manifest|no match for platform|no matching manifest|(?:^| )[^\s"]{1,300}: not found$/i,
    hint: "The registry has no such tag, or not for this platform: check the image's name, tag and platforms.",
  },
  {
    pattern:
      /pull access denied|repository does not exist|insufficient_scope|authorization failed|unauthorized|authentication required|no basic auth credentials|401 unauthorized|403 forbidden|denied: /i,
    hint: "The registry refuses or has no such repository: check the image's name, and log in if it is private.",
  },
];
