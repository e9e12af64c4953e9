import { types, type ParserOptions, type PGlite } from "@electric-sql/pglite";

const asText = (value: string): string => value;

/** As the query builder wants them: it makes dates of the text itself. No column holds a list of them. */
export const TEXT_PARSERS: ParserOptions = {
  [types.TIMESTAMP]: asText,
  [types.TIMESTAMPTZ]: asText,
  [types.INTERVAL]: asText,
  [types.DATE]: asText,
};

type Client = Pick<PGlite, "query">;

/**
 * Keeps the query builder from handing its parsers over with every statement: for each, PGlite would
 * copy its table of some hundred parsers, which takes as long as a small statement. The client must
 * have been opened with `TEXT_PARSERS`.
 */
export function withoutOwnParsers(client: PGlite): PGlite {
  const transaction = client.transaction.bind(client);
  client.transaction = (work) =>
    transaction((tx) => {
      dropParsers(tx);
      return work(tx);
    });
  dropParsers(client);
  return client;
}

function dropParsers(client: Client): void {
  const query = client.query.bind(client);
  client.query = (text, params, { parsers: _parsers, ...options } = {}) =>
    query(text, params, options);
}
