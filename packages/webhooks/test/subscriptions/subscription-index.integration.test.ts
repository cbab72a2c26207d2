import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import type { WebhookEvent } from "../../src/contract/webhook-event.ts";
import type { SubscriptionIndex } from "../../src/subscriptions/subscription-index.ts";
import { databases, type TestDatabase } from "../support/databases.ts";
import {
  newSubscription,
  openSubscriptions,
  type TestSubscriptions,
} from "../support/open-subscriptions.ts";

const EVENT: WebhookEvent = {
  id: "e-1",
  name: "order.placed",
  scope: null,
  occurredAt: new Date(0),
  data: { total: 100 },
  metadata: {},
};

/** Resolves when an index is as a test wants it. */
async function until(index: SubscriptionIndex, isSo: () => boolean): Promise<void> {
  let end = (): void => {};
  await new Promise<void>((resolve) => {
    end = index.onChange(() => isSo() && resolve());
    if (isSo()) resolve();
  });
  end();
}

function idsOf(index: SubscriptionIndex, name: string, scope: string | null = null): string[] {
  return index.matching(name, scope).map(({ id }) => id);
}

describe.each(databases)("the index of subscriptions on %s", (_, open) => {
  let database: TestDatabase;
  let one: TestSubscriptions;
  const others: TestSubscriptions[] = [];

  beforeAll(async () => {
    database = await open();
  });
  afterAll(() => database?.close());
  beforeEach(async () => {
    for (const table of ["subscriptions", "subscription_versions", "endpoints"]) {
      await database.query(`DELETE FROM busbar_webhook_${table}`);
    }
    one = await openSubscriptions(database);
  });
  afterEach(async () => {
    await Promise.all([one, ...others.splice(0)].map((it) => it?.stop()));
  });

  /** Another process, which finds changes as it would do: but it asks more often where nothing tells it. */
  const openAnother = async (): Promise<TestSubscriptions> => {
    const pollEveryMs = database.dialect === "sqlite" ? 10 : 3_600_000;
    const other = await openSubscriptions(database, { pollEveryMs });
    others.push(other);
    return other;
  };

  test("knows what is changed in its process at once, and elsewhere soon", async () => {
    const two = await openAnother();
    const { id } = await one.subscriptions.create(newSubscription());
    expect(one.index.matching("order.placed", null)).toMatchObject([{ id, version: 1 }]);
    await until(two.index, () => two.index.wants("order.placed"));
    await two.subscriptions.update(id, { events: ["stock.*"], orderingKey: "sku" });
    expect(two.index.wants("order.placed")).toBe(false);
    expect(two.index.matching("stock.low", null)).toMatchObject([{ id, orderingKey: "sku" }]);
    await one.index.refresh();
    expect(one.index.matching("stock.low", null)).toMatchObject([{ id, version: 2 }]);
    await one.subscriptions.setEnabled({}, false);
    expect(one.index.wants("stock.low")).toBe(false);
    await until(two.index, () => !two.index.wants("stock.low"));
    await one.subscriptions.update(id, { enabled: true });
    expect(one.index.wants("stock.low")).toBe(true);
    await until(two.index, () => two.index.wants("stock.low"));
    await one.subscriptions.delete(id);
    expect(one.index.wants("stock.low")).toBe(false);
    await until(two.index, () => !two.index.wants("stock.low"));
  });

  test("says up to which change it knows all, whoever made them", async () => {
    const two = await openSubscriptions(database, { isDeaf: true });
    others.push(two);
    const before = two.index.revision;
    await one.subscriptions.create(newSubscription());
    const { revision } = one.index;
    expect(revision).toBe(before + 1);
    expect(two.index.hasRead(revision)).toBe(false);
    await two.subscriptions.create(newSubscription({ events: ["stock.low"] }));
    expect(two.index.revision).toBe(revision + 1);
    expect(two.index.hasRead(revision)).toBe(false);
    await two.index.refresh();
    expect(two.index.hasRead(revision + 1)).toBe(true);
    expect(two.index.wants("order.placed")).toBe(true);
  });

  test("knows at the start what is enabled, and nothing else", async () => {
    const { id } = await one.subscriptions.create(newSubscription());
    await one.subscriptions.create(newSubscription({ enabled: false }));
    const deleted = await one.subscriptions.create(newSubscription());
    await one.subscriptions.delete(deleted.id);
    expect(idsOf((await openAnother()).index, "order.placed")).toEqual([id]);
  });

  test("gives scoped subscriptions their scope only, and others every event", async () => {
    const ids: Record<string, string> = {};
    for (const scope of [null, "de", "fr"]) {
      ids[String(scope)] = (await one.subscriptions.create(newSubscription({ scope }))).id;
    }
    const { null: all, de, fr } = ids;
    expect(idsOf(one.index, "order.placed", "de")).toEqual([all, de]);
    expect(idsOf(one.index, "order.placed", "es")).toEqual([all]);
    expect(idsOf(one.index, "order.placed", null)).toEqual([all]);
    await one.subscriptions.update(String(all), { scope: "fr" });
    expect(new Set(idsOf(one.index, "order.placed", "fr"))).toEqual(new Set([all, fr]));
    expect(idsOf(one.index, "order.placed", null)).toEqual([]);
    expect(one.index.wants("order.placed")).toBe(true);
  });

  test("gives a subscription an event once, however many of its patterns fit", async () => {
    const events = ["order.placed", "order.*", "order.**", "*"];
    const { id } = await one.subscriptions.create(newSubscription({ events }));
    expect(idsOf(one.index, "order.placed", "de")).toEqual([id]);
    expect(idsOf(one.index, "stock.low")).toEqual([id]);
    await one.subscriptions.update(id, { events: ["order.*"] });
    expect(one.index.wants("stock.low")).toBe(false);
    expect(idsOf(one.index, "order.placed")).toEqual([id]);
  });

  test("says whether a subscription wants snapshots", async () => {
    expect(one.index.hasSnapshots).toBe(false);
    const { id } = await one.subscriptions.create(newSubscription({ payload: "emitted" }));
    expect(one.index.hasSnapshots).toBe(true);
    await one.subscriptions.update(id, { label: "still" });
    expect(one.index.hasSnapshots).toBe(true);
    await one.subscriptions.update(id, { payload: "once" });
    expect(one.index.hasSnapshots).toBe(false);
  });

  test("lets events pass by the filter, which keeps others from nothing when it fails", async () => {
    const filter = { "data.total": { $gte: 100 }, occurredAt: { $lt: "2020" } };
    await one.subscriptions.create(newSubscription());
    await one.subscriptions.create(newSubscription({ filter }));
    const passing = (event: WebhookEvent): readonly boolean[] =>
      one.index.matching("order.placed", null).map((it) => it.passes(event));
    expect(one.index.matching("order.placed", null).map((it) => it.hasFilter)).toEqual([
      false,
      true,
    ]);
    expect(passing(EVENT)).toEqual([true, true]);
    expect(passing({ ...EVENT, data: { total: 99 } })).toEqual([true, false]);
    expect(one.lines).toEqual([]);
    expect(passing({ ...EVENT, occurredAt: new Date(Number.NaN) })).toEqual([true, false]);
    expect(one.lines).toEqual([
      expect.stringMatching(/^The filter of webhook subscription .* e-1/),
    ]);
  });

  test("says which subscription has a filter or a pattern that nobody can read any more", async () => {
    const { id } = await one.subscriptions.create(newSubscription({ filter: { name: "a" } }));
    await one.subscriptions.create(newSubscription());
    const broken = await one.subscriptions.create(newSubscription({ events: ["stock.*"] }));
    const table = "busbar_webhook_subscriptions";
    await database.query(
      `UPDATE ${table} SET options = replace(options, '"name"', '"nmae"') WHERE id = $1`,
      [id],
    );
    await database.query(`UPDATE ${table} SET events = '["stock*"]' WHERE id = $1`, [broken.id]);
    const two = await openAnother();
    const passes = two.index.matching("order.placed", null).map((it) => it.passes(EVENT));
    expect(passes).toEqual([false, true]);
    expect(two.index.wants("stock.low")).toBe(false);
    expect(two.lines).toEqual([
      expect.stringContaining(`Webhook subscription ${id} gets no events: its filter`),
      expect.stringContaining(`Webhook subscription ${broken.id} gets no events`),
    ]);
  });

  test("takes changes in any order, and more than once", async () => {
    const { id } = await one.subscriptions.create(newSubscription());
    const first = await one.store.find(id);
    await one.subscriptions.update(id, { events: ["stock.low"] });
    const second = await one.store.find(id);
    const two = await openAnother();
    for (const stored of [second!, first!, second!]) {
      two.index.apply(stored);
      one.index.apply(stored);
    }
    for (const { index } of [one, two]) {
      expect(index.wants("order.placed")).toBe(false);
      expect(idsOf(index, "stock.low")).toEqual([id]);
    }
  });

  test("is as the store after concurrent changes of two processes", async () => {
    const two = await openAnother();
    const created = await Promise.all(
      Array.from({ length: 8 }, (__, index) =>
        (index % 2 === 0 ? one : two).subscriptions.create(newSubscription()),
      ),
    );
    const ids = created.map((it) => it.id);
    await Promise.all(
      ids.flatMap((id, index) => [
        one.subscriptions.update(id, { events: [`one.${index}`] }),
        two.subscriptions.update(id, { scope: index % 2 === 0 ? "de" : null }),
        (index % 3 === 0 ? one : two).subscriptions.setEnabled({ ids: [id] }, index % 4 !== 0),
        two.subscriptions.update(id, { payload: "emitted" }),
      ]),
    );
    await Promise.all([one.index.refresh(), two.index.refresh()]);
    const { items } = await one.subscriptions.list({ enabled: true });
    expect(items).toHaveLength(6);
    for (const { index } of [one, two]) {
      for (const [at, id] of ids.entries()) {
        const item = items.find((it) => it.id === id);
        const found = index.matching(`one.${at}`, item?.scope ?? "de");
        expect(found).toMatchObject(item ? [{ id, version: item.version }] : []);
      }
      expect(index.wants("order.placed")).toBe(false);
      expect(index.hasSnapshots).toBe(true);
    }
  });

  test("keeps what it knows while the store cannot be read, and says so once", async () => {
    await one.subscriptions.create(newSubscription());
    const two = await openSubscriptions(database, { pollEveryMs: 5 });
    others.push(two);
    const rename = (from: string, to: string): Promise<unknown> =>
      database.query(`ALTER TABLE busbar_webhook_${from} RENAME TO busbar_webhook_${to}`);
    const reads = vi.spyOn(two.store, "revision");
    await rename("state", "elsewhere");
    await expect(openSubscriptions(database)).rejects.toThrow(/busbar_webhook_state/);
    reads.mockClear();
    await vi.waitFor(() => expect(reads.mock.calls.length).toBeGreaterThan(3));
    expect(two.index.wants("order.placed")).toBe(true);
    expect(two.lines).toEqual([
      expect.stringContaining("The webhook subscriptions cannot be read at the moment"),
    ]);
    await rename("elsewhere", "state");
    await one.subscriptions.create(newSubscription({ events: ["stock.low"] }));
    await until(two.index, () => two.index.wants("stock.low"));
  });

  test("calls back after each change, until it is told to stop", async () => {
    const first = vi.fn<() => void>();
    const endings = [one.index.onChange(first), one.index.onChange(first)];
    await one.subscriptions.create(newSubscription());
    expect(first).toHaveBeenCalledTimes(2);
    endings[0]?.();
    endings[0]?.();
    await one.subscriptions.create(newSubscription());
    expect(first).toHaveBeenCalledTimes(3);
  });

  test("reads nothing any more when it is stopped", async () => {
    const two = await openSubscriptions(database, { pollEveryMs: 1 });
    const refreshing = Promise.all([two.index.refresh(), two.index.refresh()]);
    await two.stop();
    const reads = vi.spyOn(two.store, "revision");
    await refreshing;
    expect(reads).not.toHaveBeenCalled();
  });
});
