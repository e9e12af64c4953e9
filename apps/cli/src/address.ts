import { CliError } from "./errors.js";

/** What a workspace can be addressed by. */
interface Addressable {
  readonly id: string;
  readonly name: string;
}

/** A shorter prefix is refused: it would soon mean another workspace. */
const SHORTEST_PREFIX = 4;

/**
 * The workspace a person means by `query`: its id, its name, or at least four characters its id
 * starts with. Throws `ERR_CLI_WORKSPACE_NOT_FOUND`, or `ERR_CLI_WORKSPACE_AMBIGUOUS` listing the
 * matches.
 */
export function findWorkspace<W extends Addressable>(workspaces: readonly W[], query: string): W {
  const exact = workspaces.find((workspace) => workspace.id === query);
  if (exact !== undefined) return exact;
  const matches = workspaces.filter(
    ({ id, name }) =>
      name === query ||
      (query.length >= SHORTEST_PREFIX && id.toLowerCase().startsWith(query.toLowerCase())),
  );
  const [only] = matches;
  if (only === undefined) throw notFound(workspaces, query);
  if (matches.length === 1) return only;
  throw new CliError(
    "ERR_CLI_WORKSPACE_AMBIGUOUS",
    `"${query}" means ${matches.length} workspaces: ${matches.map(({ id, name }) => `${id} (${name})`).join(", ")}`,
    {
      hint: "Give the id, or more of it.",
      details: { query, matches: matches.map(({ id, name }) => ({ id, name })) },
    },
  );
}

function notFound(workspaces: readonly Addressable[], query: string): CliError {
  const tooShort =
    query !== "" &&
    query.length < SHORTEST_PREFIX &&
    workspaces.some(({ id }) => id.toLowerCase().startsWith(query.toLowerCase()));
  return new CliError("ERR_CLI_WORKSPACE_NOT_FOUND", `There is no workspace "${query}"`, {
    hint: tooShort
      ? `An id can be shortened to ${SHORTEST_PREFIX} characters, not less.`
      : "`ls` shows the workspaces of this installation; MOLECULE_INSTALL_ID and DOCKER_HOST decide which these are.",
    details: { query },
  });
}
