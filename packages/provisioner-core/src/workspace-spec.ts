/** How `/workspace` may be used; the empty string means "not said". */
export type WorkspaceAccess = "" | "none" | "read_only" | "read_write";

/** What a caller asks for. Validated by `planWorkspace`. */
export interface WorkspaceSpec {
  /** Workspace id; a UUID is advised, any id of the name grammar is taken. */
  readonly id: string;
  /** Label for people; not unique. */
  readonly name?: string | undefined;
  readonly runtime: string;
  /** Trust tier 1 to 4; anything else is treated as 2. */
  readonly tier: number;
  /** Host directory for `/workspace`. */
  readonly workspacePath?: string | undefined;
  readonly workspaceAccess?: WorkspaceAccess | undefined;
  /** Plain environment; visible in `docker inspect`. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** Environment that reaches the process only through a root-only file. */
  readonly secrets?: Readonly<Record<string, string>> | undefined;
  /** Files for `/configs`: relative name → content. */
  readonly configFiles?: Readonly<Record<string, Uint8Array>> | undefined;
  /** Host directory copied into `/configs`; overrides the template that came with the image. */
  readonly templatePath?: string | undefined;
  /** Written to `/configs/.auth_token`, mode 0600. */
  readonly authToken?: string | undefined;
  readonly platformUrl?: string | undefined;
  readonly awarenessUrl?: string | undefined;
  readonly awarenessNamespace?: string | undefined;
  /** Overrides the runtime's image. */
  readonly image?: string | undefined;
  /** Branch, tag or commit of the template. */
  readonly ref?: string | undefined;
  readonly offline?: boolean | undefined;
  readonly resetClaudeSession?: boolean | undefined;
}
