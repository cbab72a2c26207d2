import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { StoredRequests } from "../../src/rest/stored-requests.ts";
import { KeyRing } from "../../src/secrets/key-ring.ts";
import { databases, type TestDatabase } from "../support/databases.ts";

const ANSWER = JSON.stringify({ status: 201, body: { secret: "whsec_shown-once" } });

describe.each(databases)("StoredRequests on %s", (_, open) => {
  const keys = new KeyRing([{ id: "k", key: new Uint8Array(32).fill(7) }]);
  let database: TestDatabase;
  let requests: StoredRequests;
  let count = 0;
  beforeAll(async () => {
    database = await open();
    requests = new StoredRequests(database.createStore(), keys);
  });
  afterAll(() => database.close());
  const newKey = () => ({ caller: "admin", key: `key-${(count += 1)}` });
  const age = (key: string, ms: number) =>
    database.query(
      `UPDATE ${database.prefix}busbar_webhook_requests
       SET created_at = created_at - $1, claimed_until = claimed_until - $1 WHERE request_key = $2`,
      [ms, key],
    );

  test("a key is taken once, by one of several processes", async () => {
    const key = newKey();
    const others = Array.from(
      { length: 5 },
      () => new StoredRequests(database.createStore(), keys),
    );
    const states = await Promise.all(others.map((it) => it.begin(key, "a")));
    expect(states.map(({ kind }) => kind).toSorted()).toEqual([
      "new",
      ...Array.from({ length: 4 }, () => "running"),
    ]);
  });

  test("an answer is kept for the same request, and encrypted", async () => {
    const key = newKey();
    expect(await requests.begin(key, "a")).toEqual({ kind: "new" });
    await requests.finish(key, ANSWER);
    expect(await requests.begin(key, "a")).toEqual({ kind: "answered", answer: ANSWER });
    expect(await requests.begin(key, "b")).toEqual({ kind: "other" });
    expect(await requests.begin({ ...key, caller: "another" }, "b")).toEqual({ kind: "new" });
    const rows = await database.query(`SELECT * FROM ${database.prefix}busbar_webhook_requests`);
    expect(JSON.stringify(rows)).not.toContain("whsec_shown-once");
  });

  test("an answer is forgotten after a day, and its row with the next request", async () => {
    const [old, other] = [newKey(), newKey()];
    for (const key of [old, other]) {
      await requests.begin(key, "a");
      await requests.finish(key, ANSWER);
      await age(key.key, 86_400_001);
    }
    expect(await requests.begin(old, "b")).toEqual({ kind: "new" });
    const rows = await database.query(
      `SELECT 1 FROM ${database.prefix}busbar_webhook_requests WHERE request_key = $1`,
      [other.key],
    );
    expect(rows).toEqual([]);
  });

  test("a request of a dead process is taken over after a minute, by the same request only", async () => {
    const key = newKey();
    await requests.begin(key, "a");
    await age(key.key, 60_001);
    expect(await requests.begin(key, "b")).toEqual({ kind: "other" });
    expect(await requests.begin(key, "a")).toEqual({ kind: "new" });
    expect(await requests.begin(key, "a")).toEqual({ kind: "running" });
  });

  test("a key that was given back is free, and an answer is not taken back", async () => {
    const key = newKey();
    await requests.begin(key, "a");
    await requests.abandon(key);
    expect(await requests.begin(key, "b")).toEqual({ kind: "new" });
    await requests.finish(key, ANSWER);
    await requests.abandon(key);
    expect((await requests.begin(key, "b")).kind).toBe("answered");
  });
});
