import type { BuildEvent } from "@molecule-ai/core";
import type { BuildOptions } from "./image-builder.js";

const SECRET_NAME =
  /(?:^|_)(?:TOKEN|PASSWORD|PASSWD|PASSPHRASE|SECRET|CREDENTIALS?|API_?KEY|PRIVATE_?KEY|ACCESS_?KEY)(?:_|$)/i;

/** Warns of build arguments that look like secrets: their values stay in the image's history. */
export function warnOfSecretArguments(
  { buildArgs }: Pick<BuildOptions, "buildArgs">,
  emit: (event: BuildEvent) => void,
): void {
  const names = Object.entries(buildArgs ?? {})
    .filter(([name, value]) => value !== "" && SECRET_NAME.test(name))
    .map(([name]) => name);
  if (names.length === 0) return;
  emit({
    type: "warning",
    code: "WARN_BUILD_SECRET_ARGUMENT",
    message: `Build arguments that look like secrets: ${names.slice(0, 10).join(", ")}.`,
    hint: "Whoever has the image can read build arguments in its history; use a secret and RUN --mount=type=secret.",
  });
}
