import { createEventBus, type EventBus } from "@busbar/core";
import pg from "pg";
import { afterAll, expect, onTestFinished, test, vi } from "vitest";
import { postgresProvider } from "../src/postgres-provider.ts";
import { schemaNameOf } from "../src/schema/schema-name.ts";

const connectionString = process.env["DATABASE_URL"] ?? "";
const admin = new pg.Pool({ connectionString });
afterAll(() => admin.end());

function makeBus(name: string, pool: pg.Pool): EventBus {
  const bus = createEventBus({ name, provider: postgresProvider({ pool }) });
  onTestFinished(() => bus.stop({ graceMs: 0 }));
  return bus;
}

test("an emit in a transaction that has the last connection of the pool needs no other one", async () => {
  const name = `exhausted_${crypto.randomUUID().slice(0, 8)}`;
  onTestFinished(async () => void (await admin.query(`DROP SCHEMA ${schemaNameOf(name)} CASCADE`)));
  const pool = new pg.Pool({ connectionString, max: 1 });
  onTestFinished(() => pool.end());
  const seen: unknown[] = [];
  const other = makeBus(name, admin);
  other.subscribe("e", ({ data }) => void seen.push(data), { subscriberId: "one" });
  await other.start();
  const bus = makeBus(name, pool);
  await bus.start();

  const client = await pool.connect();
  await client.query("BEGIN");
  const within = bus.withTransaction(client);
  await within.emit("e", 1);
  // From now on the list has another version.
  other.subscribe("e", ({ data }) => void seen.push(data), { subscriberId: "other" });
  await other.emit("unrelated", null);
  await within.emit("e", 2);
  await client.query("COMMIT");
  client.release();
  await vi.waitFor(() =>
    expect(seen.toSorted((one, other) => Number(one) - Number(other))).toEqual([1, 2, 2]),
  );
});
