import { readFileSync } from "node:fs";
import { migrate } from "@busbar/sql/feature";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { MIGRATIONS } from "../../src/store/tables.ts";
import { databases, type TestDatabase } from "../support/databases.ts";

const file = new URL("../../../../docs/reference/webhook-tables.md", import.meta.url);
const page = readFileSync(file, "utf8");

/** The SQL below a heading of the page. */
function sqlBelow(heading: string): string {
  const [, sql] = new RegExp(`## ${heading}\n[^]*?\`\`\`sql\n([^]*?)\n\`\`\``).exec(page) ?? [];
  if (sql === undefined) throw new Error(`The page has no SQL for ${heading}`);
  return sql;
}

function statementsOf(sql: string): readonly string[] {
  return sql
    .replaceAll(/--.*$/gm, "")
    .split(";")
    .map((each) => each.trim())
    .filter((each) => each !== "");
}

test("the SQL that the reference has is what the package ships", async () => {
  const renewed = databases.reduce((text, [name]) => {
    const before = sqlBelow(name);
    const versions = MIGRATIONS.versions[name === "SQLite" ? "sqlite" : "postgres"];
    const shipped = versions.map(({ sql }) => sql.trim()).join("\n\n");
    const end = before.slice(before.indexOf("CREATE TABLE IF NOT EXISTS busbar_migrations"));
    return text.replace(before, () => `${shipped}\n\n${end}`);
  }, page);
  // `pnpm test packages/webhooks/test/store/plain-sql -u` renews the page.
  await expect(renewed).toMatchFileSnapshot(file.pathname);
});

describe.each(databases)("the SQL that the reference has for %s", (name, open) => {
  let database: TestDatabase;

  beforeAll(async () => {
    database = await open({ isEmpty: true });
  });
  afterAll(() => database?.close());

  test("makes all tables when it is run by hand", async () => {
    for (const statement of statementsOf(sqlBelow(name))) await database.query(statement);
    expect(await migrate(database.createStore(), MIGRATIONS)).toEqual([]);
    const states = await database.query("SELECT id FROM busbar_webhook_state");
    expect(states.map(({ id }) => Number(id))).toEqual([1]);
  });
});
