import type { WorkspaceAccess } from "@molecule-ai/provisioner-core";
import { invalidOption } from "./invalid-option.js";

const CHOICES: readonly WorkspaceAccess[] = ["none", "read_only", "read_write"];

export function parseWorkspaceAccess(text: string): WorkspaceAccess {
  const access = CHOICES.find((choice) => choice === text);
  if (access !== undefined) return access;
  throw invalidOption("--workspace-access", text, `Give one of ${CHOICES.join(", ")}.`);
}
