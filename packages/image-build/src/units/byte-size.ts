import { ImageBuildError } from "../errors.js";

const EXPONENTS: Readonly<Record<string, number>> = { "": 0, k: 1, m: 2, g: 3, t: 4, p: 5 };
const SIZE = /^(\d{1,16})(?:\.(\d{1,12}))? ?(?:([kmgtp]?)(i?)b|([kmgtp]))?$/;

/**
 * Bytes of a size as people write it: `42`, `512 B`, `100KB`, `1.5GB`, `10GiB`, `20g`, in any case.
 * All units are powers of 1024, with or without the `i`; a fraction of a byte is rounded. Throws
 * `ERR_BUILD_UNIT` when any of the text is something else, or more than 2^53 - 1 bytes.
 */
export function parseByteSize(text: string): number {
  return readSize(text, 1024);
}

/**
 * The same for what Docker's tools print, where `2.3GB` counts in thousands and `488.3MiB` in 1024s.
 * Throws `ERR_BUILD_UNIT`.
 */
export function parseDockerSize(text: string): number {
  return readSize(text, 1000);
}

/** `0 B`, `1023 B`, `1.0 KB`, `5.0 MB`, `14.2 GB`: powers of 1024, the largest unit is GB. */
export function formatByteSize(bytes: number): string {
  for (const [unit, size] of [
    ["GB", 1024 ** 3],
    ["MB", 1024 ** 2],
    ["KB", 1024],
  ] as const) {
    if (bytes >= size) return `${(bytes / size).toFixed(1)} ${unit}`;
  }
  return `${bytes} B`;
}

function readSize(text: string, step: 1000 | 1024): number {
  const match = SIZE.exec(text.trim().toLowerCase());
  const [, whole = "", fraction = "", prefix = "", binary = "", bare = ""] = match ?? [];
  const base = BigInt(binary === "i" ? 1024 : step);
  const unit = base ** BigInt(EXPONENTS[bare === "" ? prefix : bare] ?? 0);
  const scale = 10n ** BigInt(fraction.length);
  const bytes = (BigInt(`0${whole}${fraction}`) * unit * 2n + scale) / (scale * 2n);
  if (
    match !== null &&
    bytes <= BigInt(Number.MAX_SAFE_INTEGER) &&
    !(binary === "i" && prefix === "")
  )
    return Number(bytes);
  throw new ImageBuildError(
    "ERR_BUILD_UNIT",
    `${JSON.stringify(text.slice(0, 80))} is no size in bytes.`,
    { hint: "Write it as 500MB, 1.5GB or 20GiB." },
  );
}
