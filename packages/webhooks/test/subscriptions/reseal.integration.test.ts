import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { KeyRing } from "../../src/secrets/key-ring.ts";
import { webhookStore } from "../../src/store/webhook-store.ts";
import { resealSecrets } from "../../src/subscriptions/reseal.ts";
import { Sealer } from "../../src/subscriptions/sealer.ts";
import { databases, type TestDatabase } from "../support/databases.ts";
import { newSubscription, openSubscriptions } from "../support/open-subscriptions.ts";

const keyOf = (id: string, byte: number) => ({ id, key: Buffer.alloc(32, byte) });
const [old, lost, current] = [keyOf("old", 1), keyOf("a_b", 2), keyOf("a-b", 3)];

describe.each(databases)("resealSecrets on %s", (_, create) => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await create();
  });
  afterAll(() => database.close());

  test("encrypts with the present key what others have, changes no version, and names what it cannot read", async () => {
    const before = await openSubscriptions(database, { keys: [old] });
    const settings = { password: "not to be seen" };
    const made = [];
    for (let index = 0; index < 3; index += 1) {
      made.push(await before.subscriptions.create(newSubscription({ settings })));
    }
    await before.stop();
    const stranger = await openSubscriptions(database, { keys: [lost] });
    const unreadable = await stranger.subscriptions.create(newSubscription());
    await stranger.stop();

    const store = webhookStore(database.createStore());
    const sealer = new Sealer(new KeyRing([current, old]));
    const results = await Promise.all([
      resealSecrets(store, sealer),
      resealSecrets(webhookStore(database.createStore()), sealer),
    ]);

    expect(results.reduce((sum, { resealed }) => sum + resealed, 0)).toBe(3);
    for (const result of results) {
      expect(result.unreadable).toEqual([unreadable.id]);
      expect(result.error).toMatchObject({ message: expect.stringContaining('"a_b"') });
    }
    expect(await resealSecrets(store, sealer)).toMatchObject({ resealed: 0 });

    const after = await openSubscriptions(database, { keys: [current] });
    for (const { id } of made) {
      const target = await after.targets.of(id, 1);
      expect(target).toMatchObject({ settings });
      expect((await after.subscriptions.get(id))?.version).toBe(1);
    }
    await after.stop();
  });
});
