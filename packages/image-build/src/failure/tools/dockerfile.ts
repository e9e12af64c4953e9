import { placed, type Symptom } from "./tool-parser.js";

const PARSE_ERROR = /dockerfile parse error (?:on )?line (\d{1,7}): (.+)$/i;

export const SYNTAX_HINT = "Correct that line of the Dockerfile.";

export const DOCKERFILE_SYMPTOMS: readonly Symptom[] = [
  {
    pattern:
      /dockerfile parse error|unknown instruction|unknown flag|file with no instructions|the dockerfile .{0,60}cannot be empty|requires (?:at least|exactly) .{1,30} argument|unexpected end of statement|failed to process "/i,
    hint: SYNTAX_HINT,
  },
  {
    pattern:
      /target stage .{1,200} could not be found|invalid from flag value|circular dependency detected on stage/i,
    hint: "There is no such stage in the Dockerfile: check the names after AS, and the target.",
  },
  {
    pattern: /base name .{0,200} should not be blank/i,
    hint: "A FROM names an argument without value: declare the ARG before the first FROM and give it a default.",
  },
];

/** Where in the Dockerfile, when the frontend says a line. */
export function dockerfilePlace(
  message: string,
): { file?: string; line?: number; message: string } | undefined {
  const found = PARSE_ERROR.exec(message);
  if (found === null) return undefined;
  return { ...placed("Dockerfile", found[1]), message: found[2] ?? "" };
}
