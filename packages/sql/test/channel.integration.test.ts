import pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { channelOf, quoteText, sqlOf } from "../src/feature.ts";

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
