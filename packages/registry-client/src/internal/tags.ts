import { z } from "zod";
import type { RegistryClient } from "../client.js";
import { invalidAnswer } from "../errors.js";
import { repositoryScope } from "../scope.js";
import type { Exchange } from "./exchange.js";
import { eachPage } from "./pages.js";
import { parseRepository } from "./registry-address.js";

const PAGE_SIZE = 1000;
const MOST_PAGES = 1000;

const TAGS = z.looseObject({ tags: z.array(z.string().regex(/^\w[\w.-]{0,127}$/)).nullish() });

export function createTags(exchange: Exchange): RegistryClient["tags"] {
  return async function* tags(repository, { pageSize = PAGE_SIZE, signal } = {}) {
    const { domain: host, path } = parseRepository(repository);
    const subject = `tags of ${path}`;
    const question = {
      host,
      first: `/v2/${path}/tags/list?n=${pageSize}`,
      scopes: [repositoryScope(path, "pull")],
      subject,
      headers: { accept: "application/json" },
      // A repository that nothing was ever pushed to is not there.
      absent: [404],
      mostPages: MOST_PAGES,
      signal,
    };
    const pages = eachPage(exchange, question, (json) => {
      const parsed = TAGS.safeParse(json);
      if (!parsed.success) throw invalidAnswer(host, subject, "this is no list of tags");
      return parsed.data.tags ?? [];
    });
    for await (const page of pages) yield* page;
  };
}
