/** What BuildKit, buildx and registries say when only the export of the cache failed. */
const CACHE_EXPORT =
  /exporting cache|failed to export cache|error writing (?:layer|config|manifest) blob|insufficient_scope|unknown cache exporter|failed to configure \S{1,64} cache exporter|cache export (?:feature )?is (?:currently )?not supported/i;

/** Failures of another part of the build whose text may hold the words above. */
const SOMETHING_ELSE =
  /did not complete successfully|pull access denied|failed to resolve source metadata|failed to push/i;

/**
 * True when a build that exported its cache failed because of that export, so that the same build
 * without it can succeed. Give it the error, not the whole log: a log names its steps, also the ones
 * that went well.
 */
export function isCacheExportFailure(text: string): boolean {
  return text.split("\n").some((line) => CACHE_EXPORT.test(line) && !SOMETHING_ELSE.test(line));
}
