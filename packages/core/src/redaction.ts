import { stripControlCharacters } from "./control-characters.js";

const MASK = "***";

/** Secrets shorter than this are too common as words: masking them would shred every text. */
const SHORTEST_SECRET = 4;

// Linear: no nested quantifier, and a scheme is short, or a long word would be scanned from each of
// its letters. The last `@` before the path ends the userinfo, as in WHATWG URLs.
const USERINFO = /([a-z][a-z0-9+.-]{0,31}:\/\/)[^\s/?#"'<>\\]*@/gi;

/** Userinfo of every URL in `text` becomes `***@`. */
export function redactUserinfo(text: string): string {
  return text.replace(USERINFO, `$1${MASK}@`);
}

/**
 * Remembers the secrets of one run and removes them from text.
 *
 * Masked are the literal secret, each of its lines of 8 characters or more, its percent-encoded
 * forms, its JSON-escaped form and its base64 and base64url forms at all three byte offsets (so
 * that `user:secret` in a Basic header is caught), then the userinfo of every URL. Control
 * characters go first, so that they cannot split a secret in two.
 */
export interface Redactor {
  /** Registers a secret. Values shorter than 4 characters are ignored. */
  add(secret: string): void;
  redact(text: string): string;
}

export function createRedactor(secrets: Iterable<string> = []): Redactor {
  const forms = new Set<string>();
  let pattern: RegExp | undefined;

  const add = (secret: string): void => {
    const before = forms.size;
    for (const literal of [secret, secret.trim(), ...secret.split(/\r?\n/).filter(isLongLine)]) {
      if (literal.length < SHORTEST_SECRET) continue;
      for (const form of formsOf(literal)) forms.add(form);
    }
    if (forms.size > before) pattern = undefined;
  };
  for (const secret of secrets) add(secret);

  return {
    add,
    redact(text) {
      const clean = stripControlCharacters(text);
      if (forms.size > 0) {
        // Longest first, so that a secret which contains another is masked whole.
        pattern ??= new RegExp(
          [...forms]
            .sort((a, b) => b.length - a.length)
            .map(escapeRegExp)
            .join("|"),
          "g",
        );
        return redactUserinfo(clean.replace(pattern, MASK));
      }
      return redactUserinfo(clean);
    },
  };
}

function isLongLine(line: string): boolean {
  return line.length >= 8;
}

function formsOf(secret: string): string[] {
  const clean = stripControlCharacters(secret);
  const percent = encodeURIComponent(toWellFormed(secret));
  const forms = [
    secret,
    clean,
    percent,
    percent.replace(/%[0-9A-F]{2}/g, (byte) => byte.toLowerCase()),
    percent.replaceAll("%20", "+"),
    percent.replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`),
    JSON.stringify(secret).slice(1, -1),
    ...base64Forms(Buffer.from(secret, "utf8")),
  ];
  return forms.filter((form) => form.length >= SHORTEST_SECRET);
}

/** `String#toWellFormed` for Node 20 typings: a lone surrogate would make encodeURIComponent throw. */
function toWellFormed(text: string): string {
  return Buffer.from(text, "utf8").toString("utf8");
}

function base64Forms(bytes: Buffer): string[] {
  const forms: string[] = [];
  for (const offset of [0, 1, 2]) {
    const encoded = Buffer.concat([Buffer.alloc(offset), bytes]).toString("base64");
    // Only the characters decided by the secret alone; its neighbours decide the rest.
    const start = Math.ceil((offset * 8) / 6);
    const end = Math.floor(((offset + bytes.length) * 8) / 6);
    const core = encoded.slice(start, end);
    if (core.length < SHORTEST_SECRET + 2) continue;
    forms.push(core, core.replaceAll("+", "-").replaceAll("/", "_"));
  }
  return forms;
}

function escapeRegExp(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&");
}
