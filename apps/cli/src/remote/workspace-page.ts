import { z } from "zod";
import { workspaceAnswer, type WorkspaceAnswer } from "./answers.js";
import type { Page, ServerClient } from "./server-client.js";

/** A page of the workspaces that the token may know; the simplest question that needs one. */
export function readWorkspacePage(
  client: ServerClient,
  request: {
    readonly limit: string;
    readonly cursor?: string | undefined;
    readonly signal: AbortSignal;
  },
): Promise<Page<readonly WorkspaceAnswer[]>> {
  const { limit, cursor, signal } = request;
  return client.page({
    method: "GET",
    path: "/workspaces",
    query: { limit, cursor },
    answer: z.array(workspaceAnswer),
    signal,
  });
}
