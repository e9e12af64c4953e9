/** A digest in what other programs wrote; shortened ones are theirs to explain. */
const DIGEST = /^sha(?:256|384|512):[0-9a-f]{1,128}$/;

export function isDigestText(text: string): boolean {
  return DIGEST.test(text);
}

/** A reference without its digest, and the digest, which is undefined when it is none. */
export function splitDigest(reference: string): {
  readonly name: string;
  readonly digest: string | undefined;
} {
  const at = reference.indexOf("@");
  if (at === -1) return { name: reference, digest: undefined };
  const digest = reference.slice(at + 1);
  return { name: reference.slice(0, at), digest: isDigestText(digest) ? digest : undefined };
}
