import { ServerError } from "../errors.js";

/** Where a page of workspaces ends: the last row of it. */
export interface PageCursor {
  readonly createdAt: Date;
  readonly id: string;
}

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

export function formatCursor({ createdAt, id }: PageCursor): string {
  return Buffer.from(`${createdAt.getTime()} ${id}`).toString("base64url");
}

/** @throws ServerError `ERR_REQUEST_INVALID` for what `formatCursor` did not make. */
export function parseCursor(text: string): PageCursor {
  const [time = "", id = ""] = Buffer.from(text, "base64url").toString("latin1").split(" ");
  const cursor = { createdAt: new Date(Number(time)), id };
  if (/^\d{1,15}$/.test(time) && UUID.test(id) && formatCursor(cursor) === text) return cursor;
  throw new ServerError("ERR_REQUEST_INVALID", "The cursor is not one of this server.", {
    hint: "Give the X-Next-Cursor of the page before, as it is.",
  });
}
