import { CliError } from "../errors.js";

/** Where a server is. */
export interface ServerAddress {
  /** Scheme, host and port: what a token belongs to. */
  readonly origin: string;
  /** Absolute URL of a route, below the path the address may have. */
  route(path: string, query?: Readonly<Record<string, string | undefined>>): string;
  /** True when what is sent can be read on the way: http to another machine. */
  readonly isOpen: boolean;
}

/** What says where the server is. */
export interface ServerChoice {
  /** `--server`; empty turns `MOLECULE_URL` off. */
  readonly server?: string | undefined;
  /** `--local`: no server, whatever the environment says. */
  readonly local?: boolean | undefined;
  /** `--token-file` */
  readonly tokenFile?: string | undefined;
}

/**
 * The server of this run, or undefined for this machine's own engine: `--local` wins, then `--server`,
 * then `MOLECULE_URL`. Throws `ERR_CLI_OPTION_INVALID`.
 */
export function chooseServer(
  choice: ServerChoice,
  serverUrl: string | undefined,
): ServerAddress | undefined {
  if (choice.local === true && choice.server !== undefined && choice.server !== "") {
    throw new CliError("ERR_CLI_USAGE", "--local and --server exclude each other", {
      hint: "Give one of them.",
    });
  }
  if (choice.local === true) return undefined;
  if (choice.server !== undefined) {
    return choice.server === "" ? undefined : parseServerAddress("--server", choice.server);
  }
  return serverUrl === undefined ? undefined : parseServerAddress("MOLECULE_URL", serverUrl);
}

/** An http or https URL without credentials, query or fragment; `source` is what said it. */
export function parseServerAddress(source: string, text: string): ServerAddress {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || (url.protocol !== "http:" && url.protocol !== "https:")) {
    throw invalidAddress(source, "is not an http or https URL");
  }
  // Not repeated in the message: it may be a token in the wrong place.
  if (url.username !== "" || url.password !== "") {
    throw invalidAddress(source, "holds credentials", "Give the token with login or --token-file.");
  }
  if (url.search !== "" || url.hash !== "") {
    throw invalidAddress(source, "has a query or a fragment");
  }
  const base = url.pathname.replace(/\/+$/, "");
  return {
    origin: url.origin,
    isOpen: url.protocol === "http:" && !isLoopback(url.hostname),
    route(path, query = {}) {
      const given = Object.entries(query).filter(
        (entry): entry is [string, string] => entry[1] !== undefined,
      );
      const search = given.length === 0 ? "" : `?${new URLSearchParams(given).toString()}`;
      return `${url.origin}${base}${path}${search}`;
    },
  };
}

function isLoopback(hostname: string): boolean {
  return (
    hostname === "localhost" ||
    hostname.endsWith(".localhost") ||
    hostname === "[::1]" ||
    /^127(?:\.\d{1,3}){3}$/.test(hostname)
  );
}

function invalidAddress(source: string, what: string, hint?: string): CliError {
  return new CliError("ERR_CLI_OPTION_INVALID", `${source} ${what}`, {
    hint: hint ?? "Give the base URL of the server, for example https://molecule.example.",
  });
}
