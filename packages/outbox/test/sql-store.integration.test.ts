import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createEventBus } from "@busbar/core";
import { localProvider } from "@busbar/local";
import { sqliteStore as sqliteSqlStore } from "@busbar/sql";
import { afterEach, beforeEach, expect, test } from "vitest";
import { inbox, once } from "../src/inbox.ts";
import { outbox } from "../src/outbox.ts";
import { sqliteStore } from "../src/outbox-store.ts";

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "busbar-outbox-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

test("one store of @busbar/sql serves outbox, inbox and once", async () => {
  const store = sqliteSqlStore({ file: join(folder, "shop.db") });
  const bus = createEventBus({
    provider: localProvider(),
    plugins: [outbox({ store }), inbox({ store })],
  });
  const seen: unknown[] = [];
  bus.subscribe(
    "a",
    once(({ data }) => void seen.push(data), { store }),
    { subscriberId: "notes" },
  );
  await bus.start();
  await store.transaction((tx) => bus.withTransaction(tx).emit("a", 1));
  await expect.poll(() => seen).toEqual([1]);
  await bus.stop();
  await store.close();
});

test("a store of the outbox on a file is the inbox of a bus, and is closed", async () => {
  const store = sqliteStore({ file: join(folder, "shop.db") });
  const bus = createEventBus({ provider: localProvider(), inbox: store });
  bus.subscribe(
    "a",
    async ({ data }, { tx }) => {
      await store.within(tx).execute("INSERT INTO ledger VALUES ($1)", [data as number]);
    },
    { subscriberId: "notes" },
  );
  await store.execute("CREATE TABLE ledger (number integer)");
  await bus.start();
  await bus.emit("a", 42);
  await bus.settled();
  expect(await store.execute("SELECT number FROM ledger")).toEqual([{ number: 42 }]);
  await bus.stop();
  await store.close();
  await expect(store.execute("SELECT 1 AS one")).rejects.toThrow("The store is closed");
});
