import { invalidAnswer, tooLarge } from "../errors.js";
import { nextLink } from "../link.js";
import type { Exchange, Question } from "./exchange.js";
import { readBody } from "./read-body.js";

const MAX_PAGE_BYTES = 4 * 1024 * 1024;

/** A list that comes in pages. */
export interface PagedQuestion extends Pick<
  Question,
  "host" | "scopes" | "subject" | "headers" | "signal"
> {
  readonly first: string;
  /** Statuses, besides 200, by which a registry says that it has no such list. */
  readonly absent: readonly number[];
  readonly mostPages: number;
}

/**
 * Every page of a list, each as `parse` reads it; nothing when there is no list. Further pages are on
 * the registry itself, and there is an end to them.
 */
export async function* eachPage<T>(
  exchange: Exchange,
  { first, absent, mostPages, ...question }: PagedQuestion,
  parse: (json: unknown) => T,
): AsyncGenerator<T, void, undefined> {
  const { host, subject } = question;
  const { origin } = exchange.address(host);
  const read = async (
    target: string,
    isFirst: boolean,
  ): Promise<{ readonly page: T; readonly next: string | undefined } | undefined> => {
    const asked = {
      ...question,
      method: "GET",
      target,
      expect: isFirst ? [200, ...absent] : [200],
      isRepeatable: true,
    } as const;
    const { value } = await exchange.ask(asked, async (answer, progress) => {
      const bytes = await readBody(answer.body, MAX_PAGE_BYTES, progress);
      if (answer.statusCode !== 200) return undefined;
      if (bytes === undefined) throw tooLarge(host, subject, MAX_PAGE_BYTES);
      const link = nextLink(answer.headers["link"]);
      return {
        page: parse(parseJson(bytes)),
        next: link && nextPage(question, origin, target, link),
      };
    });
    return value;
  };
  let target: string | undefined = first;
  for (let count = 0; target !== undefined; count += 1) {
    if (count === mostPages) throw invalidAnswer(host, subject, "the list does not end");
    const found = await read(target, count === 0);
    if (found === undefined) return;
    yield found.page;
    target = found.next;
  }
}

function nextPage(
  { host, subject }: Pick<PagedQuestion, "host" | "subject">,
  origin: string,
  current: string,
  link: string,
): string {
  const from = new URL(current, origin);
  const next = URL.canParse(link, from.href) ? new URL(link, from) : undefined;
  if (next?.origin !== origin || next.href === from.href) {
    throw invalidAnswer(host, subject, "the list goes on somewhere else, or again from here");
  }
  return `${next.pathname}${next.search}`;
}

/** Undefined for what is no JSON. */
function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString("utf8"));
  } catch {
    return undefined;
  }
}
