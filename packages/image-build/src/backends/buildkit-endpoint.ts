import { ImageBuildError } from "../errors.js";

/** Where a BuildKit daemon listens, as `BUILDKIT_HOST` says it. */
export type BuildkitEndpoint = {
  /** What buildx is given; safe to print. */
  readonly address: string;
} & (
  | { readonly kind: "unix"; readonly path: string }
  | { readonly kind: "tcp"; readonly host: string; readonly port: number }
  /** Reached through another program (`ssh`, `docker`, `kubectl`), which only buildx can judge. */
  | { readonly kind: "relayed"; readonly scheme: "ssh" | "docker-container" | "kube-pod" }
);

const LONGEST_ADDRESS = 512;

/** The schemes that the remote driver of buildx knows. Throws `ERR_BUILD_SETTINGS`. */
export function parseBuildkitEndpoint(text: string, origin: string): BuildkitEndpoint {
  const refuse = (why: string): never => {
    throw new ImageBuildError("ERR_BUILD_SETTINGS", `${origin} is no BuildKit address: ${why}.`, {
      hint: "Write it as tcp://host:1234, unix:///run/buildkit/buildkitd.sock or ssh://user@host.",
    });
  };
  const match = /^([a-z][a-z-]*):\/\/([\u0021-\u007e]*)$/.exec(text);
  if (match === null || text.length > LONGEST_ADDRESS) return refuse("it cannot be read");
  const [, scheme = "", rest = ""] = match;
  switch (scheme) {
    case "unix":
      return rest.startsWith("/")
        ? { kind: "unix", path: rest, address: text }
        : refuse("a socket's path must be absolute");
    case "tcp":
      return parseTcp(rest, refuse);
    case "ssh":
    case "docker-container":
    case "kube-pod":
      // These become arguments of other programs.
      if (/^(?:-|$)/.test(rest.slice(rest.lastIndexOf("@") + 1)) || rest.startsWith("-"))
        return refuse("it names no host");
      if (/^[^@/]*:[^@/]*@/.test(rest)) return refuse("it contains a password");
      return { kind: "relayed", scheme, address: text };
    default:
      return refuse(`the scheme ${scheme} is unknown`);
  }
}

function parseTcp(rest: string, refuse: (why: string) => never): BuildkitEndpoint {
  let url: URL;
  try {
    url = new URL(`http://${rest}`);
  } catch {
    return refuse("its host or port is malformed");
  }
  if (url.username !== "" || url.password !== "") return refuse("it contains a user or password");
  if (url.pathname !== "/" || url.search !== "" || url.hash !== "") {
    return refuse("a path is not supported");
  }
  // The URL parser drops :80, which would then be taken for absent.
  const port = Number(/:(\d+)\/?$/.exec(rest)?.[1] ?? 0);
  if (port === 0) return refuse("it names no port");
  const host = url.hostname.replace(/^\[|\]$/g, "");
  return { kind: "tcp", host, port, address: `tcp://${url.hostname}:${port}` };
}

/** Whether an address never leaves this machine, so that nobody else can listen. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127(?:\.\d{1,3}){3}$/.test(host);
}
