import { execa } from "execa";
import { existsSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { findTestPostgres, startTestPostgres } from "./test-postgres.js";

const found = await findTestPostgres();

describe.skipIf(found.skip !== undefined)("a PostgreSQL for tests", () => {
  it("gives databases that know nothing of each other, and leaves nothing behind", async () => {
    let socketDirectory = "";
    const psql = async (url: string, statement: string): Promise<string> => {
      const program = `${found.directory}/psql`;
      return (await execa(program, [url, "-AtX", "-c", statement])).stdout;
    };
    {
      await using postgres = await startTestPostgres();
      const [first, second] = [await postgres.createDatabase(), await postgres.createDatabase()];
      socketDirectory = new URL(first).searchParams.get("host") ?? "";
      await psql(first, "create table only_here (id int)");
      const count = "select count(*) from pg_tables where tablename = 'only_here'";
      expect(await psql(first, count)).toBe("1");
      expect(await psql(second, count)).toBe("0");
    }
    expect(socketDirectory).not.toBe("");
    expect(existsSync(socketDirectory)).toBe(false);
  });
});
