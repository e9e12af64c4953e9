/** True when `labels` has the label of a filter `key` or `key=value`, as Docker reads it. */
export function hasLabel(labels: Readonly<Record<string, string>>, filter: string): boolean {
  const separator = filter.indexOf("=");
  const key = separator === -1 ? filter : filter.slice(0, separator);
  if (!Object.hasOwn(labels, key)) return false;
  return separator === -1 || labels[key] === filter.slice(separator + 1);
}
