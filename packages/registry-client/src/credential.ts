/** What a registry is told about who asks; the shape `@molecule-ai/docker-engine` reads and writes. */
export type RegistryCredential =
  | { readonly kind: "password"; readonly username: string; readonly password: string }
  /** A refresh token that is exchanged at the registry's token service. */
  | { readonly kind: "identity-token"; readonly token: string };

/**
 * Finds who asks, by registry host as it stands in references (`docker.io` for Docker Hub);
 * undefined asks as a stranger. Called when a registry wants to know, and again after a refusal.
 */
export type CredentialProvider = (
  host: string,
  options: { readonly signal?: AbortSignal | undefined },
) => Promise<RegistryCredential | undefined>;
