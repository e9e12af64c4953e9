/** Where the secrets volume is mounted. */
export const SECRETS_MOUNT = "/run/molecule";

/** Directory of the secrets file: 0700, because the volume's own root keeps the engine's mode. */
export const SECRETS_DIRECTORY = "/run/molecule/secrets";

/** A shell script of `export` lines, mode 0400, owned by the user the image starts as. */
export const SECRETS_FILE = "/run/molecule/secrets/env";

const LOADER = `. ${SECRETS_FILE} && exec "$@"`;

/** `$0` of the wrapper; how a wrapped entrypoint is recognised again. */
const WRAPPER_NAME = "molecule-entrypoint";

/**
 * The image's entrypoint behind a shell that first exports the secrets. `exec` keeps the process id,
 * so signals reach the image's own process as without the wrapper.
 */
export function wrapEntrypoint(entrypoint: readonly string[]): readonly string[] {
  return ["/bin/sh", "-c", LOADER, WRAPPER_NAME, ...entrypoint];
}

/** A POSIX shell script that exports `secrets`; values may have any character but NUL. */
export function formatSecretFile(secrets: Readonly<Record<string, string>>): string {
  return Object.entries(secrets)
    .map(([name, value]) => `export ${name}='${value.replaceAll("'", `'\\''`)}'\n`)
    .join("");
}

/** The secrets of a script made by {@link formatSecretFile}; a plain `Error` for any other text. */
export function parseSecretFile(text: string): Record<string, string> {
  const secrets: [string, string][] = [];
  const entry = /export ([A-Za-z_][A-Za-z0-9_]*)='((?:[^']|'\\'')*)'\n/y;
  while (entry.lastIndex < text.length) {
    const match = entry.exec(text);
    if (match === null) throw new Error("The secrets file was not written by the provisioner.");
    const [, name = "", value = ""] = match;
    secrets.push([name, value.replaceAll(`'\\''`, "'")]);
  }
  return Object.fromEntries(secrets);
}
