import { mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createEventBus } from "@busbar/core";
import { localProvider } from "@busbar/local";
import type { SqliteDatabase } from "@busbar/sql";
import { describe, expect, test } from "vitest";
import { once } from "../src/inbox.ts";
import { outbox } from "../src/outbox.ts";
import { sqliteStore } from "../src/outbox-store.ts";
import { until } from "./support/until.ts";

/** Absent from Node 20. */
function nodeSqlite():
  | { DatabaseSync: new (file: string) => SqliteDatabase & { close(): void } }
  | undefined {
  try {
    return createRequire(import.meta.url)("node:sqlite") as ReturnType<typeof nodeSqlite>;
  } catch {
    return undefined;
  }
}

describe("sqliteStore() on node:sqlite", () => {
  const sqlite = nodeSqlite();

  test.skipIf(!sqlite)("stages, relays and handles, on connections that take turns", async () => {
    const folder = mkdtempSync(join(tmpdir(), "busbar-node-sqlite-"));
    const opened = Array.from({ length: 3 }, () => {
      const database = new (sqlite as NonNullable<typeof sqlite>).DatabaseSync(
        join(folder, "shop.db"),
      );
      database.exec("PRAGMA journal_mode = WAL");
      return database;
    });
    const [relay, shop, ledger] = opened.map((database) => sqliteStore({ database }));
    if (!relay || !shop || !ledger) throw new Error("three stores");
    const bus = createEventBus({ provider: localProvider(), plugins: [outbox({ store: relay })] });
    const note = once<number, SqliteDatabase>(
      ({ data }, { tx }) => void tx.prepare("INSERT INTO ledger VALUES (?)").run(data),
      { store: ledger },
    );
    bus.subscribe("a", note, { subscriberId: "ledger" });
    await bus.start();
    await shop.execute("CREATE TABLE ledger (number integer)");
    await Promise.all(
      Array.from({ length: 20 }, (_each, number) =>
        shop
          .transaction(async (tx) => {
            await bus.withTransaction(tx).emit("a", number);
            if (number % 4 === 0) throw new Error("rolled back");
          })
          .catch(() => {}),
      ),
    );
    const count = async (): Promise<number> => (await shop.execute("SELECT * FROM ledger")).length;
    await until(async () => (await count()) === 15, "15 events");
    await bus.settled();
    expect(await count()).toBe(15);
    await bus.stop();
    for (const database of opened) database.close();
    rmSync(folder, { recursive: true });
  });
});
