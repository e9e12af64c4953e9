/** The part of an id that is in the names on the engine; enough to address a workspace by. */
export function shortId(id: string): string {
  return id.slice(0, 12);
}
