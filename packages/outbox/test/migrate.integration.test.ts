import { createEventBus } from "@busbar/core";
import { localProvider } from "@busbar/local";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { migrate } from "../src/migrate.ts";
import { MIGRATIONS } from "../src/migrations.ts";
import { outbox } from "../src/outbox.ts";
import { carryAnEvent } from "./support/carry-an-event.ts";
import { databases, type TestDatabase } from "./support/stores.ts";

describe.each(databases)("the tables on %s", (_, createDatabase) => {
  let database: TestDatabase;

  beforeEach(async () => {
    database = await createDatabase();
  });
  afterEach(() => database.close());

  /** Makes what the first release made: its table of versions had no column for the feature. */
  const makeFirstTables = async (): Promise<void> => {
    const { dialect } = database.createStore();
    const [first] = MIGRATIONS[dialect];
    const made = `CREATE TABLE busbar_migrations (
        version integer PRIMARY KEY, applied_at timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP);
      INSERT INTO busbar_migrations (version) VALUES (1)`;
    for (const statement of `${first?.sql.replaceAll(/--.*$/gm, "")}${made}`.split(";")) {
      if (statement.trim() !== "") await database.query(statement);
    }
  };

  test("are asked for when they are missing and the outbox may not make them", async () => {
    const plugins = [outbox({ store: database.createStore(), migrate: false })];
    const bus = createEventBus({ provider: localProvider(), plugins });
    await expect(bus.start()).rejects.toMatchObject({ code: "BUSBAR_INVALID_CONFIG" });
  });

  test.each([true, false])(
    "of the first release stay valid, with migrate: %s",
    async (migrates) => {
      await makeFirstTables();
      const options = { store: database.createStore(), migrate: migrates };
      await carryAnEvent(database, options);
      expect(await migrate(options.store)).toEqual([]);
      const rows = await database.query(`SELECT feature, version FROM busbar_migrations`);
      expect(rows).toEqual([{ feature: "outbox", version: 1 }]);
    },
  );
});
