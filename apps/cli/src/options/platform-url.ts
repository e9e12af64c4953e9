import { invalidOption } from "./invalid-option.js";

/** An absolute http or https URL, kept as it was typed. */
export function parsePlatformUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === "http:" || url?.protocol === "https:") return text;
  throw invalidOption(
    "--platform-url",
    text,
    "Give an http or https URL, as in http://host.docker.internal:8080.",
  );
}
