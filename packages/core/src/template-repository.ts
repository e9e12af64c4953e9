/**
 * What the address of a template repository starts with unless MOLECULE_LOCAL_TEMPLATE_REPO_PREFIX
 * says otherwise; the runtime name follows. Whoever builds and whoever holds the credential must mean
 * the same server.
 */
export const DEFAULT_TEMPLATE_REPOSITORY_PREFIX =
  "https://git.moleculesai.app/molecule-ai/molecule-ai-workspace-template-";
