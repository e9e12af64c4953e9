import { ProvisionerError } from "@molecule-ai/core";

export type CliErrorCode =
  | "ERR_CLI_USAGE"
  | "ERR_CLI_OPTION_INVALID"
  | "ERR_CLI_SECRET_ON_COMMAND_LINE"
  | "ERR_CLI_SECRET_MISSING"
  | "ERR_CLI_FILE_UNREADABLE"
  | "ERR_CLI_FILE_TOO_LARGE"
  | "ERR_CLI_TIER_REFUSED"
  | "ERR_CLI_WORKSPACE_NOT_FOUND"
  | "ERR_CLI_WORKSPACE_AMBIGUOUS"
  | "ERR_CLI_BUILDER_NOT_FOUND"
  | "ERR_CLI_PATH_NOT_FOUND"
  | "ERR_CLI_INTERRUPTED"
  | "ERR_CLI_NOT_REMOTE"
  | "ERR_CLI_SERVER_ANSWER"
  | "ERR_CLI_SERVER_LOST"
  | "ERR_CLI_SERVER_REDIRECT"
  | "ERR_CLI_SERVER_TIMEOUT"
  | "ERR_CLI_SERVER_UNREACHABLE"
  | "ERR_CLI_TOKEN_INVALID"
  | "ERR_CLI_TOKEN_MISSING"
  | "ERR_CLI_TOKEN_STORE"
  | "ERR_CLI_WORKSPACE_HAS_CHILDREN";

/** What the program itself refuses or fails at; everything else comes from the packages below it. */
export class CliError extends ProvisionerError<CliErrorCode> {}
