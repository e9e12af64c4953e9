/** Names of Docker Hub, which references and records call `docker.io`. */
const HUB = new Set(["index.docker.io", "registry-1.docker.io", "index.docker.io/v1"]);

/**
 * A registry as people configure it (`https://GHCR.io/`, `x:5000`) as it stands in references:
 * lower case, without scheme, userinfo and slashes at the end; Docker Hub by its one name.
 */
export function normalizeRegistryHost(url: string): string {
  const text = url.trim().toLowerCase();
  const rest = /^https?:\/\//.test(text) ? text.slice(text.indexOf("//") + 2) : text;
  let end = rest.length;
  while (rest[end - 1] === "/") end -= 1;
  const host = rest.slice(rest.lastIndexOf("@", end) + 1, end);
  return HUB.has(host) ? "docker.io" : host;
}
