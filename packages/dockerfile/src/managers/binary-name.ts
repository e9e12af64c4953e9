const ARCHIVE =
  /\.(?:tar|tgz|txz|tbz2?|gz|xz|bz2|zst|zip|7z|deb|rpm|apk|exe|sh|bin|appimage|jar|whl)$/i;
/** Parts of a file name that say for which machine or version it is. */
const VARIANT =
  /^(?:linux|linux64|darwin|windows|macos|alpine|debian|ubuntu|gnu|musl|musleabihf|gnueabihf|unknown|static|amd64|arm64|aarch64|x86|x64|64|64bit|i386|i686|armv[5-8]\w?|armhf|ppc64le|s390x|riscv64|all|any|universal|portable|v?\d.*|v)$/i;
const VERSION = /(?<![\d.])v?(\d{1,9}(?:\.\d{1,9}){1,4}(?:-?(?:rc|alpha|beta|r|p)[.-]?\d{1,6})?)/i;
const MAX_URL_LENGTH = 2048;

/**
 * A name for what a URL downloads: the project of a release page, else the file name without
 * version, platform and suffix.
 */
export function guessBinaryName(url: string): string {
  const parts = pathParts(url);
  const releases = parts.indexOf("releases");
  const project = releases > 0 ? parts[releases - 1] : undefined;
  if (project !== undefined) return project.toLowerCase();
  let name = (parts.at(-1) ?? "").replace(/\$\{[^}]*\}|\$\w+/g, "");
  while (ARCHIVE.test(name)) name = name.replace(ARCHIVE, "");
  const words = name
    .replace(VERSION, "-")
    .split(/[-_.@+]/)
    .filter((word) => word !== "");
  const end = words.findIndex((word, index) => index > 0 && VARIANT.test(word));
  return words.slice(0, end === -1 ? words.length : end).join("-") || hostOf(url);
}

/** The version in the path of a URL; the last, when there are several. */
export function versionInUrl(url: string): string | undefined {
  for (const part of pathParts(url).toReversed()) {
    const found = VERSION.exec(part)?.[1];
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Last part of the path: what curl -O and wget store it under. */
export function fileNameOf(url: string): string {
  const path = pathOf(url);
  let end = path.length;
  while (path[end - 1] === "/") end -= 1;
  return path.slice(path.lastIndexOf("/", end - 1) + 1, end);
}

function pathParts(url: string): string[] {
  return pathOf(url)
    .split("/")
    .filter((part) => part !== "");
}

function pathOf(url: string): string {
  const scheme = url.indexOf("://");
  const begin = scheme === -1 ? 0 : url.indexOf("/", scheme + 3);
  if (begin === -1) return "";
  const end = url.slice(0, MAX_URL_LENGTH).search(/[?#]/);
  return url.slice(begin, end === -1 ? MAX_URL_LENGTH : Math.max(end, begin));
}

/** Host of a URL, without user and password. */
export function hostOf(url: string): string {
  const authority = url.slice(url.indexOf("://") + 3).split(/[/?#]/, 1)[0] ?? "";
  return authority.split("@").at(-1)?.split(":", 1)[0] ?? "";
}
