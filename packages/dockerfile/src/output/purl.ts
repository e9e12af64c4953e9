import { PackageURL } from "packageurl-js";
import type { InventoryImage, InventoryPackage, PackageManager } from "../inventory.js";
import { isCommitOrVersion } from "./component-version.js";

const TYPES: Readonly<Partial<Record<PackageManager, string>>> = {
  cargo: "cargo",
  gem: "gem",
  npm: "npm",
  pip: "pypi",
  pipx: "pypi",
  pnpm: "npm",
  poetry: "pypi",
  uv: "pypi",
  yarn: "npm",
};

/** The package URL of an image: of type oci with a digest, of type docker without. */
export function imagePurl(image: InventoryImage): string | undefined {
  const { registry, repository, name, tag, digest, unresolved } = image;
  if (unresolved !== undefined) return undefined;
  if (digest !== undefined) {
    return purl("oci", undefined, name.toLowerCase(), digest, {
      repository_url: `${registry}/${repository}`,
      ...(tag === undefined ? {} : { tag }),
    });
  }
  const namespace = repository.split("/").slice(0, -1).join("/");
  const qualifiers = registry === "docker.io" ? undefined : { repository_url: registry };
  return purl("docker", namespace, name, tag, qualifiers);
}

/** The package URL of a package; undefined when its name is not known. */
export function packagePurl(item: InventoryPackage): string | undefined {
  const { manager, name, url, resolvedUrl = url, verification } = item;
  if (name.includes("$") || resolvedUrl?.includes("$") === true) return undefined;
  const version = isCommitOrVersion(item) ? item.version : undefined;
  switch (manager) {
    case "apk":
      return systemPurl("apk", "alpine", item, version);
    case "apt":
      return systemPurl("deb", "debian", item, version);
    case "dnf":
    case "yum":
      return systemPurl("rpm", undefined, item, version);
    case "zypper":
      return systemPurl("rpm", "opensuse", item, version);
    case "go":
      return splitPurl("golang", name, version);
    case "binary":
    case "galaxy":
    case "git": {
      const checksum =
        verification?.value === undefined
          ? {}
          : { checksum: `${verification.method}:${verification.value}` };
      const from = resolvedUrl === undefined ? {} : { [urlQualifier(manager)]: resolvedUrl };
      return purl("generic", undefined, name, version, { ...from, ...checksum });
    }
    default:
      // What npm and pip take from a URL is none of their registry's packages.
      if (url !== undefined || name.includes(":")) return undefined;
      return splitPurl(TYPES[manager] ?? "generic", name, version);
  }
}

function urlQualifier(manager: PackageManager): string {
  return manager === "git" ? "vcs_url" : "download_url";
}

function systemPurl(
  type: string,
  namespace: string | undefined,
  { name, distribution }: InventoryPackage,
  version: string | undefined,
): string | undefined {
  const [distributor = namespace] = distribution?.split("-") ?? [];
  const qualifiers = distribution === undefined ? undefined : { distro: distribution };
  return purl(type, distributor, name, version, qualifiers);
}

/** Everything up to the last slash of the name is the namespace. */
function splitPurl(type: string, name: string, version: string | undefined): string | undefined {
  const slash = name.lastIndexOf("/");
  const namespace = slash === -1 ? undefined : name.slice(0, slash);
  return purl(type, namespace, name.slice(slash + 1), version);
}

/** Undefined for parts that a package URL cannot hold. */
function purl(
  type: string,
  namespace: string | undefined,
  name: string,
  version: string | undefined,
  qualifiers?: Record<string, string>,
): string | undefined {
  const parts = [type, namespace === "" ? undefined : namespace, name] as const;
  try {
    return new PackageURL(...parts, version, qualifiers, undefined).toString();
  } catch {
    return undefined;
  }
}
