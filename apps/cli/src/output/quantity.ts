const UNITS = ["kB", "MB", "GB", "TB"] as const;

/** `512 B`, `1.5 kB`, `12 MB`: powers of 1024, three digits at most. */
export function formatBytes(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  let value = bytes;
  let unit: (typeof UNITS)[number] = "kB";
  for (const candidate of UNITS) {
    value /= 1024;
    unit = candidate;
    // 1023.5 would be shown as 1024.
    if (value < 1023.5) break;
  }
  return `${value < 9.95 ? value.toFixed(1) : Math.round(value).toString()} ${unit}`;
}

/** `40 ms`, `3.2 s`, `1 min 05 s`. */
export function formatDuration(ms: number): string {
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)} min ${String(seconds % 60).padStart(2, "0")} s`;
}

/** `12 s`, `5 min`, `3 h`, `2 d`: how long ago, to one unit. */
export function formatAge(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86_400)} d`;
}

/** Local date and time to the second, `2026-11-21 10:00:00 UTC`. */
export function formatInstant(unixMs: number): string {
  return `${new Date(unixMs).toISOString().slice(0, 19).replace("T", " ")} UTC`;
}
