import pg from "pg";
import postgres from "postgres";
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { channelOf, quoteText, sqlOf } from "../src/feature.ts";
import type { Listen } from "../src/store.ts";
import { pgListen } from "../src/stores/pg-store.ts";
import { postgresListen } from "../src/stores/postgres-store.ts";

const url = process.env["DATABASE_URL"] ?? "";

function channelIn(schema: string, table = "busbar_webhook_subscriptions"): string {
  return channelOf(sqlOf({ dialect: "postgres", schema }).table(table));
}

describe("the channel of a table", () => {
  const client = new pg.Client({ connectionString: url });

  beforeAll(() => client.connect());
  afterAll(() => client.end());

  test("is its name, as it was from the beginning", () => {
    expect(channelIn("shop")).toBe("shop.busbar_webhook_subscriptions");
    expect(
      channelOf(sqlOf({ dialect: "postgres", schema: undefined }).table("busbar_outbox")),
    ).toBe("busbar_outbox");
  });

  test("is another one in each schema, and for each table", () => {
    const schemas = ["a".repeat(62), "b".repeat(62), `${"a".repeat(62)}b`];
    const channels = schemas.flatMap((schema) => [channelIn(schema), channelIn(schema, "other")]);
    expect(new Set(channels).size).toBe(6);
  });

  test.each(["shop", "s".repeat(35), "s".repeat(63), "é".repeat(31), 'a"b'])(
    "is one on which PostgreSQL announces, in the schema %s",
    async (schema) => {
      const channel = channelIn(schema);
      const heard = new Promise<pg.Notification>((resolve) => {
        client.once("notification", resolve);
      });
      await client.query(`LISTEN ${pg.escapeIdentifier(channel)}`);
      await client.query(`SELECT pg_notify(${quoteText(channel)}, '')`);
      expect((await heard).channel).toBe(channel);
    },
  );
});

describe.each<[string, () => { readonly listen: Listen; end(): Promise<void> }]>([
  [
    "pg",
    () => {
      const pool = new pg.Pool({ connectionString: url });
      return { listen: pgListen<pg.PoolClient>(pool), end: () => pool.end() };
    },
  ],
  [
    "postgres",
    () => {
      const sql = postgres(url);
      return { listen: postgresListen(sql), end: () => sql.end() };
    },
  ],
])("a listener by way of %s", (_, open) => {
  test("hears the payload of a notification, and nothing before the first one", async () => {
    const { listen, end } = open();
    onTestFinished(end);
    const channel = `busbar_${crypto.randomUUID()}`;
    const heard: (string | undefined)[] = [];
    const close = await listen(
      channel,
      (payload) => heard.push(payload),
      () => {},
    );
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    await client.query(`SELECT pg_notify($1, 'a 4,17')`, [channel]);
    await client.end();
    await vi.waitUntil(() => heard.length > 0);
    await close();
    expect(heard).toEqual(["a 4,17"]);
  });
});
