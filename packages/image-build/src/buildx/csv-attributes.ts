/** A key of a flag such as `--output` and its value; without one it is left out. */
export type Attribute = readonly [key: string, value: string | undefined];

/**
 * `key=value,key=value` as buildx reads it, with Go's `encoding/csv`: a field that holds a comma, a
 * quote or a line end stands in quotes as a whole, its own quotes doubled.
 */
export function formatAttributes(attributes: readonly Attribute[]): string {
  return attributes
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => quoteField(`${key}=${value}`))
    .join(",");
}

function quoteField(field: string): string {
  return /[",\r\n]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field;
}
