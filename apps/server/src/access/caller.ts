/** Who a request comes from, once its bearer token was checked. */
export type Caller =
  | { readonly kind: "anonymous" }
  | { readonly kind: "workspace"; readonly workspaceId: string; readonly tokenId: string }
  | { readonly kind: "admin" };

/**
 * Who may call a route; every route names one.
 *
 * - `open`: everybody
 * - `admin`: only the administrator
 * - `workspace`: the workspace of the path (`:id`), and the administrator
 * - `registry`: an agent; the handler checks the workspace that its body or header names, see
 *   `requireAgent`
 */
export type Access = "open" | "admin" | "workspace" | "registry";

/** How a caller is named in events and operations. */
export function actorOf(caller: Caller): string {
  switch (caller.kind) {
    case "admin":
      return "admin";
    case "workspace":
      return `workspace:${caller.workspaceId}`;
    case "anonymous":
      return "anonymous";
    default:
      return caller satisfies never;
  }
}
