import { readFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { migrate } from "../src/migrate.ts";
import { MIGRATIONS } from "../src/migrations.ts";
import { carryAnEvent } from "./support/carry-an-event.ts";
import { databases, type TestDatabase } from "./support/stores.ts";

const page = readFileSync(new URL("../../../docs/reference/outbox.md", import.meta.url), "utf8");

/** The first SQL below a heading of the page. */
function sqlBelow(heading: string): string {
  const [, sql] = new RegExp(`### ${heading}\n[^]*?\`\`\`sql\n([^]*?)\n\`\`\``).exec(page) ?? [];
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

describe.each(databases)("the SQL that the reference has for %s", (name, createDatabase) => {
  let database: TestDatabase;

  beforeEach(async () => {
    database = await createDatabase();
  });

  afterEach(() => database.close());

  test("is what the package ships", () => {
    for (const { sql } of MIGRATIONS[name === "SQLite" ? "sqlite" : "postgres"]) {
      expect(sqlBelow(name)).toContain(sql.trim());
    }
  });

  test("makes all that outbox and inbox need when it is run by hand", async () => {
    for (const statement of statementsOf(sqlBelow(name))) await database.query(statement);
    const store = database.createStore();
    const options = { store, migrate: false };
    await carryAnEvent(database, options);
    expect(await migrate(store)).toEqual([]);
    for (const statement of statementsOf(sqlBelow("By hand"))) await database.query(statement);
  });
});
