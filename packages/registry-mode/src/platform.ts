import { RegistryModeError } from "./errors.js";
import type { Environment } from "./registry.js";

/** What an image runs on, in Go's words. */
export interface Platform {
  readonly os: string;
  readonly arch: string;
  readonly variant: string | undefined;
}

export interface PlatformDecisionOptions {
  readonly env: Environment;
  /** As `process.platform` says it. */
  readonly hostOs: string;
  /** As `process.arch` says it. */
  readonly hostArch: string;
}

/**
 * The platform of build, pull and create alike, as `os/arch[/variant]`; undefined leaves it to the
 * engine. `MOLECULE_IMAGE_PLATFORM` decides when it is present, and present but empty means
 * undefined; without it the answer is `linux/amd64` on macOS with Apple silicon and undefined
 * elsewhere. Throws `ERR_IMAGE_PLATFORM_INVALID`.
 */
export function platformDecision(options: PlatformDecisionOptions): string | undefined {
  const forced = options.env["MOLECULE_IMAGE_PLATFORM"];
  if (forced === "") return undefined;
  if (forced !== undefined) return normalisePlatform(forced, "MOLECULE_IMAGE_PLATFORM");
  return options.hostOs === "darwin" && options.hostArch === "arm64" ? "linux/amd64" : undefined;
}

/** The usual spelling of a platform text. Throws `ERR_IMAGE_PLATFORM_INVALID`; `origin` is where the text came from. */
export function normalisePlatform(text: string, origin?: string): string {
  const platform = parsePlatform(text);
  if (platform !== undefined) return formatPlatform(platform);
  throw new RegistryModeError(
    "ERR_IMAGE_PLATFORM_INVALID",
    `${origin === undefined ? "" : `${origin}: `}${JSON.stringify(text.slice(0, 80))} is no platform.`,
    { hint: "Write os/arch or os/arch/variant, for example linux/amd64 or linux/arm/v7." },
  );
}

const PART = /^[a-z0-9][a-z0-9_.-]*$/;
const ARCH_ALIASES: Readonly<Record<string, string>> = { x86_64: "amd64", aarch64: "arm64" };

/** Undefined unless the text is `os/arch` or `os/arch/variant`. x86_64 and aarch64 get Go's names. */
export function parsePlatform(text: string): Platform | undefined {
  const parts = text.split("/");
  if (parts.length > 3 || !parts.every((part) => PART.test(part))) return undefined;
  const [os, arch, variant] = parts;
  if (os === undefined || arch === undefined) return undefined;
  return { os, arch: ARCH_ALIASES[arch] ?? arch, variant };
}

/** `os/arch[/variant]`, the inverse of {@link parsePlatform}. */
export function formatPlatform({ os, arch, variant }: Platform): string {
  return variant === undefined ? `${os}/${arch}` : `${os}/${arch}/${variant}`;
}
