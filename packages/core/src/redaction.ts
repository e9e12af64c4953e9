import { stripControlCharacters } from "./control-characters.js";

const MASK = "***";

/** Secrets shorter than this are too common as words: masking them would shred every text. */
const SHORTEST_SECRET = 4;

// Linear: no nested quantifier, and a scheme is short, or a long word would be scanned from each of
// its letters. The last `@` before the path ends the userinfo, as in WHATWG URLs.
const USERINFO = /([a-z][a-z0-9+.-]{0,31}:\/\/)[^\s/?#"'<>\\]*@/gi;

/** Userinfo of every URL in `text` becomes `***@`. */
export function redactUserinfo(text: string): string {
  // Most lines have none, and then the search for schemes would be the dearest part of showing them.
  return text.includes("@") ? text.replace(USERINFO, `$1${MASK}@`) : text;
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
  /**
   * Registers a secret. Values shorter than 4 characters are ignored. What is remembered is bounded:
   * adding a secret again keeps it from being forgotten for newer ones.
   */
  add(secret: string): void;
  redact(text: string): string;
}

interface RedactorOptions {
  /** What is remembered at most, all forms together; the secrets that were longest not added go first. */
  readonly mostCharacters?: number | undefined;
}

/** More than thousands of workspaces have, and little enough for a process that runs for months. */
const MOST_CHARACTERS = 64 * 1024 * 1024;
/** What a form costs beside its characters. */
const FORM_OVERHEAD = 64;

export function createRedactor(
  secrets: Iterable<string> = [],
  { mostCharacters = MOST_CHARACTERS }: RedactorOptions = {},
): Redactor {
  const index = createFormIndex();
  /** Forms by secret; the one that was added last is last. */
  const formsBySecret = new Map<string, ReadonlySet<string>>();
  let characters = 0;

  const forget = (secret: string, forms: ReadonlySet<string>): void => {
    formsBySecret.delete(secret);
    for (const form of forms) index.remove(form);
    characters -= costOf(forms);
  };

  const add = (secret: string): void => {
    const known = formsBySecret.get(secret);
    if (known !== undefined) {
      formsBySecret.delete(secret);
      formsBySecret.set(secret, known);
      return;
    }
    const forms = allFormsOf(secret);
    if (forms.size === 0) return;
    formsBySecret.set(secret, forms);
    for (const form of forms) index.add(form);
    characters += costOf(forms);
    for (const [oldest, its] of formsBySecret) {
      if (characters <= mostCharacters || oldest === secret) break;
      forget(oldest, its);
    }
  };
  for (const secret of secrets) add(secret);

  return {
    add,
    redact: (text) => redactUserinfo(index.mask(stripControlCharacters(text))),
  };
}

/** Texts to be masked, found by their first characters: however many there are, a search is one pass. */
interface FormIndex {
  add(form: string): void;
  /** As often as it was added. */
  remove(form: string): void;
  mask(text: string): string;
}

/**
 * Not one regular expression: with the secrets of a fleet it takes seconds to compile, and from some
 * 32 KiB on there is none.
 */
function createFormIndex(): FormIndex {
  const uses = new Map<string, number>();
  /** Longest first, so that a secret which contains another is masked whole. */
  const formsByBeginning = new Map<number, string[]>();
  /** How many forms begin with a character of that low byte: most places are passed over by it. */
  const firsts = new Uint32Array(256);

  const findAt = (text: string, at: number): string | undefined =>
    formsByBeginning.get(hashBeginning(text, at))?.find((form) => text.startsWith(form, at));

  const countFirst = (form: string, change: 1 | -1): void => {
    const first = form.charCodeAt(0) & 255;
    firsts[first] = (firsts[first] ?? 0) + change;
  };

  return {
    add(form) {
      const count = uses.get(form) ?? 0;
      uses.set(form, count + 1);
      if (count > 0) return;
      countFirst(form, 1);
      const beginning = hashBeginning(form, 0);
      const others = formsByBeginning.get(beginning);
      if (others === undefined) {
        formsByBeginning.set(beginning, [form]);
        return;
      }
      const place = others.findIndex(({ length }) => length <= form.length);
      others.splice(place === -1 ? others.length : place, 0, form);
    },
    remove(form) {
      const count = uses.get(form) ?? 0;
      if (count > 1) {
        uses.set(form, count - 1);
        return;
      }
      uses.delete(form);
      countFirst(form, -1);
      const beginning = hashBeginning(form, 0);
      const others = (formsByBeginning.get(beginning) ?? []).filter((other) => other !== form);
      if (others.length === 0) formsByBeginning.delete(beginning);
      else formsByBeginning.set(beginning, others);
    },
    mask(text) {
      if (uses.size === 0) return text;
      let masked = "";
      let copied = 0;
      for (let at = 0; at <= text.length - SHORTEST_SECRET;) {
        const found = firsts[text.charCodeAt(at) & 255] === 0 ? undefined : findAt(text, at);
        if (found === undefined) {
          at += 1;
          continue;
        }
        masked += text.slice(copied, at) + MASK;
        at += found.length;
        copied = at;
      }
      return copied === 0 ? text : masked + text.slice(copied);
    },
  };
}

/** Of the first `SHORTEST_SECRET` characters from `at` on. */
function hashBeginning(text: string, at: number): number {
  let hash = 0;
  for (let i = at; i < at + SHORTEST_SECRET; i += 1) {
    hash = (Math.imul(hash, 31) + text.charCodeAt(i)) | 0;
  }
  return hash;
}

function costOf(forms: ReadonlySet<string>): number {
  let cost = 0;
  for (const { length } of forms) cost += length + FORM_OVERHEAD;
  return cost;
}

/** Empty for a secret that is too short. */
function allFormsOf(secret: string): ReadonlySet<string> {
  const literals = new Set([secret, secret.trim(), ...secret.split(/\r?\n/).filter(isLongLine)]);
  const forms = new Set<string>();
  for (const literal of literals) {
    if (literal.length < SHORTEST_SECRET) continue;
    for (const form of formsOf(literal)) forms.add(form);
  }
  return forms;
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
