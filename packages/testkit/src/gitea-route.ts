import type { IncomingMessage } from "node:http";

import type { Caller } from "./gitea-api.js";
import type { GiteaPart } from "./gitea-fault.js";

/** Where a request belongs. */
export interface GiteaRoute {
  readonly part: GiteaPart;
  /** Whether it asks the API; archives are served by the API and by the pages. */
  readonly isApi: boolean;
  /** Whether it asks for the head of a branch. */
  readonly isHeadLookup: boolean;
  /** Decoded path segments: after `/api/v1` for the API, after the base path otherwise. */
  readonly segments: readonly string[];
  readonly query: URLSearchParams;
}

/** Reads the path of a request; undefined when it is outside the base path or not well formed. */
export function routeOf(request: IncomingMessage, basePath: string): GiteaRoute | undefined {
  const target = request.url ?? "/";
  const base = "http://server.invalid";
  if (!URL.canParse(target, base)) return undefined;
  const url = new URL(target, base);
  if (!url.pathname.startsWith(`${basePath}/`)) return undefined;
  let segments: string[];
  try {
    segments = url.pathname
      .slice(basePath.length + 1)
      .split("/")
      .map(decodeURIComponent);
  } catch {
    return undefined;
  }
  const isApi = segments[0] === "api" && segments[1] === "v1";
  if (isApi) {
    segments = segments.slice(2);
    const part = segments[0] === "repos" && segments[3] === "archive" ? "archive" : "api";
    const isHeadLookup = segments[0] === "repos" && segments[3] === "branches";
    return { part, isApi, isHeadLookup, segments, query: url.searchParams };
  }
  const part = segments[2] === "archive" ? "archive" : "git";
  return { part, isApi, isHeadLookup: false, segments, query: url.searchParams };
}

/**
 * Who asks. The API takes `token`, `Bearer` and `Basic`; git takes `Basic` only, with the token as
 * its password, or as its user name with no password.
 */
export function callerOf(
  request: IncomingMessage,
  token: string | undefined,
  isApi: boolean,
): Caller {
  const [scheme = "", value = ""] = (request.headers.authorization ?? "").split(/ +/, 2);
  let given: string | undefined;
  switch (scheme.toLowerCase()) {
    case "token":
    case "bearer":
      given = isApi ? value : undefined;
      break;
    case "basic": {
      const pair = Buffer.from(value, "base64").toString("utf8");
      const colon = pair.indexOf(":");
      const password = colon < 0 ? "" : pair.slice(colon + 1);
      given = password === "" || password === "x-oauth-basic" ? pair.slice(0, colon) : password;
      break;
    }
    default:
  }
  if (given === undefined) return "anonymous";
  return token !== undefined && given === token ? "known" : "refused";
}
