/** A file name with `{os}` and `{arch}` filled in, for what is staged for each platform. */
export function substituteStageName(
  name: string,
  platform: { readonly os: string; readonly arch: string },
): string {
  return name.replaceAll("{os}", () => platform.os).replaceAll("{arch}", () => platform.arch);
}
