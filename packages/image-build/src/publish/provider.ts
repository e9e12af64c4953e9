import { normalizeRegistryHost } from "./registry-host.js";

/** Hosts by their whole name, or by what a name ends with. */
const PROVIDERS: readonly (readonly [provider: string, host: RegExp])[] = [
  ["dockerhub", /^(?:docker\.io|hub\.docker\.com)$/],
  ["ghcr", /^ghcr\.io$/],
  ["quay", /^quay\.io$/],
  ["gitlab", /^registry\.gitlab\.com$|^(?:registry|gitlab)\.gitlab\./],
  ["acr", /\.azurecr\.(?:io|cn|us)$/],
  ["jfrog", /\.jfrog\.io$/],
  ["ecr", /^public\.ecr\.aws$|\.dkr\.ecr\.[a-z0-9-]{1,40}\.amazonaws\.com(?:\.cn)?$/],
  ["gcr", /^(?:[a-z]{1,20}\.)?gcr\.io$|\.pkg\.dev$/],
  ["gitea", /^codeberg\.org$|^gitea\.com$/],
  ["harbor", /^harbor\./],
];

/** Who runs a registry, as far as its host tells; `generic` for all others. */
export function detectProvider(url: string): string {
  const host = normalizeRegistryHost(url).split("/", 1)[0] ?? "";
  const name = host.replace(/:\d{1,5}$/, "");
  return PROVIDERS.find(([, pattern]) => pattern.test(name))?.[0] ?? "generic";
}
