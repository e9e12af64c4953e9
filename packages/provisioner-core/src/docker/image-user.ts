import type { DockerEngine, ImageInfo } from "@molecule-ai/docker-engine";
import { readArchiveFile } from "./archive-file.js";

/** Who the image's process starts as. */
export interface ImageUser {
  readonly uid: number;
  readonly gid: number;
}

export const ROOT: ImageUser = { uid: 0, gid: 0 };

const MOST_PASSWD_BYTES = 1024 * 1024;

/** The user of an image as numbers, when its USER needs no look into the image. */
export function numericUser(user: string): ImageUser | undefined {
  if (user === "" || user === "root" || user === "root:root") return ROOT;
  const match = /^(\d{1,9})(?::(\d{1,9}))?$/.exec(user);
  if (match === null) return undefined;
  const uid = Number(match[1]);
  // Without a group the engine takes the one in /etc/passwd; only root's is known without looking.
  if (match[2] === undefined) return uid === 0 ? ROOT : undefined;
  return { uid, gid: Number(match[2]) };
}

/** The user of `image`, looked up in /etc/passwd and /etc/group of a container made from it. */
export async function findImageUser(
  engine: DockerEngine,
  containerId: string,
  image: Pick<ImageInfo, "user">,
  signal: AbortSignal | undefined,
): Promise<ImageUser> {
  const known = numericUser(image.user);
  if (known !== undefined) return known;
  const read = async (path: string): Promise<string> => {
    const file = await readArchiveFile(engine, containerId, path, MOST_PASSWD_BYTES, signal);
    return file?.content.toString("utf8") ?? "";
  };
  const [passwd, group] = await Promise.all([read("/etc/passwd"), read("/etc/group")]);
  return lookUpUser(image.user, passwd, group);
}

/** Resolves `user[:group]` as the engine does; an unknown name is root, which every image has. */
export function lookUpUser(user: string, passwd: string, group: string): ImageUser {
  const [userPart = "", groupPart] = user.split(":");
  const entry = passwd
    .split("\n")
    .map((line) => line.split(":"))
    .find(([name, , uid]) => name === userPart || uid === userPart);
  const uid = toId(entry?.[2]) ?? toId(userPart) ?? 0;
  if (groupPart === undefined) return { uid, gid: toId(entry?.[3]) ?? 0 };
  const groupEntry = group
    .split("\n")
    .map((line) => line.split(":"))
    .find(([name]) => name === groupPart);
  return { uid, gid: toId(groupEntry?.[2]) ?? toId(groupPart) ?? 0 };
}

function toId(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : undefined;
}
