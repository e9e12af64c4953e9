import type { App } from "../app.js";
import type { ServerContext } from "../server-context.js";
import { registerWorkspaceBoot } from "./workspaces-boot.js";
import { registerWorkspaceChange } from "./workspaces-change.js";
import { registerWorkspaceCreation } from "./workspaces-create.js";
import { registerWorkspaceLifecycle } from "./workspaces-lifecycle.js";
import { registerWorkspaceReading } from "./workspaces-read.js";

/** Workspaces, from their creation to their removal. */
export function registerWorkspaces(app: App, context: ServerContext): void {
  registerWorkspaceCreation(app, context);
  registerWorkspaceReading(app, context);
  registerWorkspaceChange(app, context);
  registerWorkspaceLifecycle(app, context);
  registerWorkspaceBoot(app, context);
}
