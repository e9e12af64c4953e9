/** What BuildKit and buildx say when the export of the cache failed. */
const CACHE_EXPORT =
  /exporting cache|failed to export cache|error writing (?:layer|config|manifest) blob|unknown cache exporter|failed to configure \S{1,64} cache exporter|cache export (?:feature )?is (?:currently )?not supported/i;

/** A command whose text holds such words. */
const COMMAND_FAILED = /did not complete successfully/i;

/** A registry that lets us not write, for example the cache … */
const NO_RIGHT_TO_WRITE = /insufficient_scope/i;

/** … or not read a base image, or not write the image itself, which no other build helps. */
const ANOTHER_RIGHT = /pull access denied|failed to resolve source metadata|failed to push/i;

/**
 * True when a build that exported its cache failed because of that export, so that the same build
 * without it can succeed. Give it the error, not the whole log: a log names its steps, also the ones
 * that went well.
 */
export function isCacheExportFailure(text: string): boolean {
  return text
    .split("\n")
    .some(
      (line) =>
        (CACHE_EXPORT.test(line) && !COMMAND_FAILED.test(line)) ||
        (NO_RIGHT_TO_WRITE.test(line) && !ANOTHER_RIGHT.test(line) && !COMMAND_FAILED.test(line)),
    );
}
