/** What of a workspace its agent is told by its environment. */
export interface AgentFacts {
  readonly name: string;
  readonly role: string;
  readonly runtime: string;
  readonly model: string | null;
}

/**
 * The plain environment of an agent. What a secret of the same name says wins, so that is left out.
 */
export function agentEnvironment(
  workspace: AgentFacts,
  secrets: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  const { role, runtime } = workspace;
  const model = secrets["MODEL_PROVIDER"] ?? workspace.model ?? "";
  const env: Record<string, string> = {
    ...gitIdentity(workspace.name),
    ...(runtime === "hermes" && model !== "" ? { HERMES_DEFAULT_MODEL: model } : {}),
    ...(workspace.model === null || workspace.model === ""
      ? {}
      : { MODEL_PROVIDER: workspace.model }),
    ...(role === "" ? {} : { MOLECULE_AGENT_ROLE: role }),
  };
  return Object.fromEntries(
    Object.entries(env)
      .filter(([name]) => !Object.hasOwn(secrets, name))
      .map(([name, value]) => [name, oneLine(value)]),
  );
}

/** Who the commits of an agent are by; nothing for a name without a letter or digit. */
export function gitIdentity(name: string): Readonly<Record<string, string>> {
  const slug = slugOf(name);
  if (slug === "") return {};
  const person = `Molecule AI ${oneLine(name).trim()}`;
  const email = `${slug}@agents.moleculesai.app`;
  return {
    GIT_AUTHOR_NAME: person,
    GIT_AUTHOR_EMAIL: email,
    GIT_COMMITTER_NAME: person,
    GIT_COMMITTER_EMAIL: email,
  };
}

/** Lower-case letters and digits with single hyphens between them. */
export function slugOf(name: string): string {
  return name
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "-")
    .replace(/^-/, "")
    .replace(/-$/, "");
}

/** A variable that is no secret has one line. */
function oneLine(text: string): string {
  return text.replaceAll(/[\r\n]+/g, " ").replaceAll("\0", "");
}
