import { ProvisionerError } from "@molecule-ai/core";

/** Every code a call of this package can fail with, besides the reason of the caller's own abort. */
export type GiteaErrorCode =
  | "ERR_GITEA_URL_INVALID"
  | "ERR_GITEA_REF_INVALID"
  | "ERR_GITEA_TOKEN_INVALID"
  | "ERR_GITEA_UNREACHABLE"
  | "ERR_GITEA_DISCONNECTED"
  | "ERR_GITEA_TIMEOUT"
  | "ERR_GITEA_UNAUTHORIZED"
  | "ERR_GITEA_NOT_FOUND"
  | "ERR_GITEA_REF_NOT_FOUND"
  | "ERR_GITEA_STATUS"
  | "ERR_GITEA_REDIRECT_REFUSED"
  | "ERR_GITEA_BODY_TOO_LARGE"
  | "ERR_GITEA_NOT_JSON"
  | "ERR_GITEA_ANSWER_INVALID"
  | "ERR_GITEA_SHA_MISSING"
  | "ERR_GITEA_SHA_INVALID";

/** Any failure to learn something from a Gitea, Forgejo or Gogs server. */
export class GiteaError extends ProvisionerError<GiteaErrorCode> {}
