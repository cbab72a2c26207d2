import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createEventBus } from "@busbar/core";
import { localProvider } from "@busbar/local";
import { assertMigrated, migrate } from "../src/migrate.ts";
import { outbox } from "../src/outbox.ts";
import { databases, type TestDatabase } from "./support/stores.ts";

describe.each(databases)("migrate() on %s", (_, createDatabase) => {
  let database: TestDatabase;

  beforeEach(async () => {
    database = await createDatabase();
  });

  afterEach(() => database.close());

  test("applies each version once, whoever else starts at the same time", async () => {
    const stores = Array.from({ length: 8 }, () => database.createStore());
    const applied = await Promise.all(stores.map((store) => migrate(store)));
    expect(applied.flat()).toEqual([1]);
    expect(await migrate(database.createStore())).toEqual([]);
    await assertMigrated(database.createStore());
  });

  test("is asked for when the tables are missing and the outbox may not make them", async () => {
    const plugins = [outbox({ store: database.createStore(), migrate: false })];
    const bus = createEventBus({ provider: localProvider(), plugins });
    await expect(bus.start()).rejects.toMatchObject({ code: "BUSBAR_INVALID_CONFIG" });
  });
});
