import { EngineError } from "./errors.js";

/** A parsed `DOCKER_HOST`. */
export type EngineAddress =
  | { readonly kind: "unix"; readonly path: string }
  | { readonly kind: "npipe"; readonly path: string }
  | { readonly kind: "tcp"; readonly host: string; readonly port: number }
  | {
      readonly kind: "ssh";
      readonly host: string;
      readonly port: number | undefined;
      readonly user: string | undefined;
    };

/**
 * Reads a Docker host: `unix://`, `npipe://`, `tcp://` (also `http://` and `https://`) or `ssh://`.
 * `origin` says where it was found. Throws `ERR_ENGINE_SETTINGS` with the host left out of the
 * message when it may hold a password.
 */
export function parseEngineAddress(text: string, origin: string): EngineAddress {
  const refuse = (why: string): never => {
    throw new EngineError("ERR_ENGINE_SETTINGS", `${origin} is no Docker host: ${why}`, {
      hint: "Write it as unix:///var/run/docker.sock, tcp://host:2376 or ssh://user@host.",
    });
  };
  const separator = text.indexOf("://");
  if (separator < 0) return refuse("it has no scheme");
  const scheme = text.slice(0, separator).toLowerCase();
  const rest = text.slice(separator + 3);
  switch (scheme) {
    case "unix":
      return rest.startsWith("/")
        ? { kind: "unix", path: rest }
        : refuse("a socket's path must be absolute");
    case "npipe":
      return rest === "" ? refuse("it names no pipe") : { kind: "npipe", path: rest };
    case "tcp":
    case "http":
    case "https":
    case "ssh":
      break;
    default:
      return refuse("its scheme is unknown");
  }
  let url: URL;
  try {
    // A scheme the URL parser treats like http, so that host and port come out the same for all.
    url = new URL(`http://${rest}`);
  } catch {
    return refuse("its host or port is malformed");
  }
  if (url.pathname !== "/" || url.search !== "" || url.hash !== "") {
    return refuse("a path is not supported");
  }
  if (url.password !== "") return refuse("it contains a password");
  const host = url.hostname.replace(/^\[|\]$/g, "");
  // The URL parser drops :80, which would then be taken for absent.
  const port = /:(\d+)\/?$/.exec(rest)?.[1];
  if (scheme === "ssh") {
    if (host.startsWith("-") || url.username.startsWith("-"))
      return refuse("it begins with a dash");
    return {
      kind: "ssh",
      host,
      port: port === undefined ? undefined : Number(port),
      user: url.username === "" ? undefined : decodeURIComponent(url.username),
    };
  }
  if (url.username !== "") return refuse("it contains a user name");
  return { kind: "tcp", host, port: port === undefined ? 0 : Number(port) };
}
