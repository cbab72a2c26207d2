import { isBusbarError } from "@busbar/core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { SubscriptionChange } from "../../src/contract/subscription.ts";
import { databases, type TestDatabase } from "../support/databases.ts";
import {
  DEFAULTS,
  newSubscription,
  openSubscriptions,
  type TestSubscriptions,
} from "../support/open-subscriptions.ts";

/** A change of every setting, each to something other than the default. */
const CHANGES: Required<SubscriptionChange> = {
  label: "ERP",
  events: ["order.*", "customer.**"],
  destination: "https://example.org/other",
  notifier: "queue",
  settings: { timeoutMs: 5 },
  scope: "de",
  filter: { data: { total: { $gte: 100 } } },
  payload: "attempt",
  retry: { type: "exponential", retries: 3, initialMs: 100 },
  rate: { max: 5, perMs: 1_000 },
  concurrency: 2,
  orderingKey: "order.id",
  onOrderedFailure: "park",
  redact: ["customer.email"],
  enabled: false,
};

async function errorOf(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => expect.unreachable("it should have been refused"),
    (error: unknown) => error,
  );
}

describe.each(databases)("webhook subscriptions on %s", (_, open) => {
  let database: TestDatabase;
  let one: TestSubscriptions;

  beforeAll(async () => {
    database = await open();
    one = await openSubscriptions(database);
  });
  afterAll(async () => {
    await one?.stop();
    await database?.close();
  });

  /** The rows of a table, in no order. */
  const rowsOf = (table: string, where: string): Promise<readonly Record<string, unknown>[]> =>
    database.query(`SELECT * FROM ${table} WHERE ${where}`);

  test("have defaults for what is left out", async () => {
    const { secret, secrets, ...created } = await one.subscriptions.create(newSubscription(), {
      by: "anna",
    });
    expect(created).toEqual({
      ...DEFAULTS,
      ...newSubscription(),
      id: created.id,
      version: 1,
      disabled: null,
      createdAt: expect.any(Date),
      createdBy: "anna",
      modifiedAt: created.createdAt,
      modifiedBy: "anna",
      deletedAt: null,
    });
    expect(secret).toMatch(/^whsec_/);
    expect(secrets).toEqual([
      {
        id: expect.any(String),
        type: "v1",
        publicKey: null,
        createdAt: created.createdAt,
        expiresAt: null,
      },
    ]);
    expect(Math.abs(created.createdAt.getTime() - Date.now())).toBeLessThan(60_000);
    expect(await one.subscriptions.get(created.id)).toEqual({ ...created, secrets });
    expect(one.changes.at(-1)).toEqual({
      subscriptionId: created.id,
      version: 1,
      change: "created",
      by: "anna",
    });
  });

  test("have a secret only if the notifier signs, and show none that was given", async () => {
    const queue = await one.subscriptions.create(newSubscription({ notifier: "queue" }));
    expect(queue).toMatchObject({ secret: null, secrets: [] });
    const given = await one.subscriptions.create(
      newSubscription({ secret: "a secret of at least 24 bytes" }),
    );
    expect(given.secret).toBeNull();
    expect(given.secrets).toHaveLength(1);
  });

  test.each(Object.keys(CHANGES) as (keyof SubscriptionChange)[])(
    "can have their %s changed, and keep the version before",
    async (name) => {
      const before = await one.subscriptions.create(newSubscription());
      const { secret: _secret, ...first } = before;
      const after = await one.subscriptions.update(
        before.id,
        { [name]: CHANGES[name] },
        { by: "ben" },
      );
      expect(after).toEqual({
        ...first,
        [name]: CHANGES[name],
        version: 2,
        disabled:
          name === "enabled"
            ? { kind: "manual", at: after.modifiedAt, detail: "Disabled by ben" }
            : null,
        modifiedAt: after.modifiedAt,
        modifiedBy: "ben",
      });
      expect(await one.subscriptions.get(before.id)).toEqual(after);
      const { items, cursor } = await one.subscriptions.versions(before.id);
      expect({ items, cursor }).toEqual({ items: [after, first], cursor: null });
      expect(one.changes.at(-1)).toEqual({
        subscriptionId: before.id,
        version: 2,
        change: name === "enabled" ? "disabled" : "updated",
        by: "ben",
      });
    },
  );

  test("get no version from a change that changes nothing", async () => {
    const { id } = await one.subscriptions.create(
      newSubscription({ settings: { password: "p-1234" } }),
    );
    const same = { ...newSubscription(), settings: { password: "[secret]" }, label: null };
    expect(await one.subscriptions.update(id, same)).toMatchObject({ version: 1 });
    expect(await one.subscriptions.update(id, { settings: { password: "p-1234" } })).toMatchObject({
      version: 1,
    });
    expect(await one.subscriptions.update(id, { settings: { password: "p-12345" } })).toMatchObject(
      { version: 2, settings: { password: "[secret]" } },
    );
  });

  test("make one of many concurrent changes that name the same version, and refuse the others", async () => {
    const { id } = await one.subscriptions.create(newSubscription());
    const two = await openSubscriptions(database);
    const results = await Promise.allSettled(
      Array.from({ length: 200 }, (__, index) =>
        (index % 2 === 0 ? one : two).subscriptions.update(
          id,
          { label: `label ${index}` },
          { ifVersion: 1 },
        ),
      ),
    );
    const made = results.flatMap((it) => (it.status === "fulfilled" ? [it.value] : []));
    expect(made).toHaveLength(1);
    for (const result of results) {
      if (result.status === "fulfilled") continue;
      expect(result.reason).toMatchObject({
        code: "BUSBAR_CONFLICT",
        details: { id, expected: 1, actual: 2 },
      });
    }
    expect(await one.subscriptions.get(id)).toEqual(made[0]);
    await two.stop();
  });

  test("lose none of the changes that are made of the present version, until it is that", async () => {
    const { id } = await one.subscriptions.create(newSubscription({ redact: [] }));
    const two = await openSubscriptions(database);
    const add = async (number: number): Promise<void> => {
      const { subscriptions } = number % 2 === 0 ? one : two;
      for (;;) {
        const now = await subscriptions.get(id);
        const redact = [...(now?.redact ?? []), `field.n${number}`];
        const label = String(Number(now?.label ?? 0) + 1);
        try {
          await subscriptions.update(id, { redact, label }, { ifVersion: now?.version });
          return;
        } catch (error) {
          if (!isBusbarError(error, "BUSBAR_CONFLICT")) throw error;
          expect(error.details).toMatchObject({ id, expected: now?.version });
        }
      }
    };
    // Two at a time, in two processes: in each round, one of them wins.
    const numbers = Array.from({ length: 40 }, (__, index) => index);
    const workers = Array.from({ length: 2 }, async () => {
      for (let next = numbers.pop(); next !== undefined; next = numbers.pop()) await add(next);
    });
    await Promise.all(workers);
    const after = await one.subscriptions.get(id);
    expect(after).toMatchObject({ label: "40", version: 41 });
    expect(new Set(after?.redact).size).toBe(40);
    await two.stop();
  });

  test("apply 100 concurrent changes that name no version one after the other", async () => {
    const { id } = await one.subscriptions.create(newSubscription());
    const labels = Array.from({ length: 100 }, (__, index) => `label ${index}`);
    await Promise.all(labels.map((label) => one.subscriptions.update(id, { label })));
    const versions = [];
    let cursor: string | undefined;
    do {
      const page = await one.subscriptions.versions(id, { limit: 60, cursor });
      versions.push(...page.items);
      cursor = page.cursor ?? undefined;
    } while (cursor !== undefined);
    expect(versions.map(({ version }) => version)).toEqual(
      Array.from({ length: 101 }, (__, index) => 101 - index),
    );
    expect(new Set(versions.map(({ label }) => label))).toEqual(new Set([...labels, null]));
  });

  test("refuse a change of another version, and change nothing", async () => {
    const { id } = await one.subscriptions.create(newSubscription());
    const errors = await Promise.all(
      [
        one.subscriptions.update(id, { label: "x" }, { ifVersion: 7 }),
        one.subscriptions.delete(id, { ifVersion: 7 }),
        one.subscriptions.rotateSecret(id, { ifVersion: 7 }),
        one.subscriptions.setEnabled({ ids: [id] }, false, { ifVersion: 7 }),
      ].map(errorOf),
    );
    for (const error of errors) {
      expect(error).toMatchObject({
        code: "BUSBAR_CONFLICT",
        details: { id, expected: 7, actual: 1 },
      });
    }
    expect(await one.subscriptions.get(id)).toMatchObject({ version: 1, enabled: true });
  });

  test.each([
    ["that nobody has", crypto.randomUUID()],
    ["that no database can store", "a\u0000b"],
    ["that are not well-formed", "\ud800"],
    ["that are very long", "x".repeat(100_000)],
  ])("are not found by ids %s", async (__, id) => {
    expect(await one.subscriptions.get(id)).toBeUndefined();
    const errors = await Promise.all(
      [
        one.subscriptions.update(id, { label: "x" }),
        one.subscriptions.delete(id),
        one.subscriptions.rotateSecret(id),
        one.subscriptions.versions(id),
      ].map(errorOf),
    );
    for (const error of errors) {
      expect(error).toMatchObject({
        code: "BUSBAR_NOT_FOUND",
        details: { kind: "webhook subscription", id },
      });
      expect(String(error).length).toBeLessThan(1_000);
    }
    expect((await one.subscriptions.list({ ids: [crypto.randomUUID()] })).items).toEqual([]);
  });

  test("have no pages behind the last one, whatever its cursor is", async () => {
    const { id } = await one.subscriptions.create(newSubscription());
    const cursor = "9".repeat(15);
    expect((await one.subscriptions.versions(id, { cursor })).items).toHaveLength(1);
    expect((await one.subscriptions.versions(id, { cursor: "0" })).items).toEqual([]);
    expect((await one.subscriptions.list({}, { cursor, limit: 1 })).items).toMatchObject([{ id }]);
    expect((await one.subscriptions.list({}, { cursor: "0" })).items).toEqual([]);
  });

  test("keep their rows when they are deleted, but for what is secret, and their deliveries are cancelled", async () => {
    const created = await one.subscriptions.create(newSubscription({ scope: "deleted" }));
    const other = await one.subscriptions.create(newSubscription({ scope: "deleted" }));
    for (const [id, subscription, state] of [
      ["w", created.id, "waiting"],
      ["r", created.id, "running"],
      ["d", created.id, "dead"],
      ["o", other.id, "waiting"],
    ]) {
      await database.query(
        `INSERT INTO busbar_webhook_deliveries (id, event_id, subscription_id, subscription_version,
          event_name, state, due_at, next_trigger, created_at)
          VALUES ($1, $1, $2, 1, 'order.placed', $3, 1, 'first', 1)`,
        [`${created.id}-${id}`, subscription!, state!],
      );
    }
    const deleted = await one.subscriptions.delete(created.id, { by: "carl" });
    expect(deleted).toMatchObject({
      version: 2,
      enabled: true,
      modifiedBy: "carl",
      deletedAt: deleted.modifiedAt,
    });
    expect(await one.subscriptions.get(created.id)).toEqual(deleted);
    const list = await one.subscriptions.list({ scope: "deleted" });
    expect(list.items.map(({ id }) => id)).toEqual([other.id]);
    const gone = await one.subscriptions.list({ scope: "deleted", deleted: true });
    expect(gone.items).toEqual([deleted]);
    const [row] = await rowsOf("busbar_webhook_subscriptions", `id = '${created.id}'`);
    expect(row).toMatchObject({ sealed: null });
    expect((await one.subscriptions.versions(created.id)).items).toHaveLength(2);
    const deliveries = await rowsOf("busbar_webhook_deliveries", `id LIKE '${created.id}%'`);
    expect(
      Object.fromEntries(deliveries.map((it) => [String(it["id"]).slice(-1), it["state"]])),
    ).toEqual({ w: "cancelled", r: "running", d: "dead", o: "waiting" });
    expect(await errorOf(one.subscriptions.delete(created.id))).toMatchObject({
      code: "BUSBAR_NOT_FOUND",
    });
    expect(one.changes.at(-1)).toMatchObject({ change: "deleted", version: 2, by: "carl" });
  });

  test("are enabled and disabled in bulk, with true counts", async () => {
    const scope = "bulk";
    const created = await Promise.all(
      [true, true, true, false].map((enabled) =>
        one.subscriptions.create(newSubscription({ scope, enabled })),
      ),
    );
    const disable = (by: string) => one.subscriptions.setEnabled({ scope }, false, { by });
    const [a, b] = await Promise.all([disable("one"), disable("two")]);
    expect([a.changed + b.changed, a.unchanged + b.unchanged]).toEqual([3, 5]);
    const after = await one.subscriptions.list({ scope, enabled: false });
    expect(after.items).toHaveLength(4);
    for (const item of after.items) {
      const isOld = item.id === created[3]?.id;
      expect(item).toMatchObject({ version: isOld ? 1 : 2, disabled: { kind: "manual" } });
      const { items } = await one.subscriptions.versions(item.id);
      expect(items[0]).toEqual(item);
      expect(items).toHaveLength(item.version);
    }
    await database.query(
      `UPDATE busbar_webhook_endpoints SET breaker = 'open', failures = 40, retryable_failures = 9, open_until = 99
        WHERE subscription_id = $1`,
      [created[0]!.id],
    );
    const ids = created.map(({ id }) => id);
    expect(await one.subscriptions.setEnabled({ ids, enabled: false }, true)).toEqual({
      changed: 4,
      unchanged: 0,
    });
    expect(await one.subscriptions.setEnabled({ ids }, true)).toEqual({ changed: 0, unchanged: 4 });
    expect(await one.subscriptions.setEnabled({ ids: [] }, true)).toEqual({
      changed: 0,
      unchanged: 0,
    });
    expect((await one.subscriptions.get(ids[0]!))?.disabled).toBeNull();
    const [endpoint] = await rowsOf("busbar_webhook_endpoints", `subscription_id = '${ids[0]}'`);
    const fresh = await one.subscriptions.create(newSubscription());
    const [untouched] = await rowsOf("busbar_webhook_endpoints", `subscription_id = '${fresh.id}'`);
    expect({ ...endpoint, subscription_id: fresh.id }).toEqual(untouched);
    const kinds = one.changes.filter(({ subscriptionId }) => subscriptionId === ids[0]);
    expect(kinds.map(({ change }) => change)).toEqual(["created", "disabled", "enabled"]);
  });

  test("have an endpoint from the beginning, which a new destination makes like new", async () => {
    const { id } = await one.subscriptions.create(newSubscription());
    const broken = `UPDATE busbar_webhook_endpoints SET breaker = 'open', failures = 4 WHERE subscription_id = $1`;
    const breaker = async (): Promise<unknown> =>
      (await rowsOf("busbar_webhook_endpoints", `subscription_id = '${id}'`))[0]?.["breaker"];
    expect(await breaker()).toBe("closed");
    await database.query(broken, [id]);
    await one.subscriptions.update(id, { label: "x" });
    expect(await breaker()).toBe("open");
    await one.subscriptions.update(id, { destination: "https://example.com/new" });
    expect(await breaker()).toBe("closed");
    await database.query(broken, [id]);
    await one.subscriptions.update(id, { settings: { password: "p-1234" } });
    expect(await breaker()).toBe("closed");
  });

  test("are disabled within a transaction of the dispatcher's", async () => {
    const { id } = await one.subscriptions.create(newSubscription({ events: ["disabled.now"] }));
    const reason = { kind: "gone", detail: "The endpoint answered 410" } as const;
    const committed = await one.store.transaction((tx) =>
      one.subscriptions.disable(tx, id, reason),
    );
    expect(one.index.wants("disabled.now")).toBe(true);
    committed?.();
    expect(one.index.wants("disabled.now")).toBe(false);
    expect(await one.subscriptions.get(id)).toMatchObject({
      version: 2,
      enabled: false,
      disabled: { ...reason, at: expect.any(Date) },
    });
    expect(one.changes.at(-1)).toMatchObject({ change: "disabled", by: null });
    const again = one.store.transaction((tx) => one.subscriptions.disable(tx, id, reason));
    expect(await again).toBeUndefined();
    const enabled = await one.subscriptions.update(id, { enabled: true });
    expect(enabled.disabled).toBeNull();
  });

  test("are listed newest first, page by page, by what they have", async () => {
    const scope = "list";
    const names = ["order.placed", "order.*", "order.**", "*", "customer.*.changed", "stock.low"];
    for (const [index, event] of names.entries()) {
      await one.subscriptions.create(
        newSubscription({
          scope,
          events: [event],
          label: `Label ${index}%`,
          destination: `https://${index}.example.com/Hooks`,
        }),
      );
    }
    const events = async (filter: object): Promise<readonly string[]> =>
      (await one.subscriptions.list({ scope, ...filter })).items.map((it) => it.events[0]!);
    const newest = names.toReversed();
    expect(await events({})).toEqual(newest);
    const pages: string[][] = [];
    let cursor: string | undefined;
    do {
      const page = await one.subscriptions.list({ scope }, { limit: 4, cursor });
      pages.push(page.items.map((it) => it.events[0]!));
      cursor = page.cursor ?? undefined;
    } while (cursor !== undefined);
    expect(pages).toEqual([newest.slice(0, 4), newest.slice(4)]);
    expect(await events({ event: "order.placed" })).toEqual([
      "*",
      "order.**",
      "order.*",
      "order.placed",
    ]);
    expect(await events({ event: "order.line.added" })).toEqual(["*", "order.**"]);
    expect(await events({ event: "customer.7.changed" })).toEqual(["customer.*.changed", "*"]);
    expect(await events({ text: "LABEL 3%" })).toEqual(["*"]);
    expect(await events({ text: "1.example.com/hooks" })).toEqual(["order.*"]);
    expect(await events({ text: "label%" })).toEqual([]);
    expect(await events({ notifier: "queue" })).toEqual([]);
    expect(await events({ enabled: false })).toEqual([]);
    const scopeless = await one.subscriptions.list({ scope: null });
    expect(scopeless.items.every((it) => it.scope === null)).toBe(true);
  });

  test("sign with a new secret, and with the one before as long as the grace lasts", async () => {
    const { id, secrets: before } = await one.subscriptions.create(newSubscription());
    const rotated = await one.subscriptions.rotateSecret(id, { by: "dora", graceMs: 60_000 });
    const [newest, old, ...none] = rotated.subscription.secrets;
    expect(none).toEqual([]);
    expect(newest).toMatchObject({ type: "v1", expiresAt: null });
    expect(old).toEqual({
      ...before[0],
      expiresAt: new Date(newest!.createdAt.getTime() + 60_000),
    });
    expect(rotated.subscription).toMatchObject({ version: 2, modifiedBy: "dora" });
    expect(one.changes.at(-1)).toMatchObject({ change: "secret-rotated" });
    const target = await one.targets.of(id, 2);
    const values = target?.secretsAt(newest!.createdAt).map(({ value }) => value);
    expect(values).toEqual([rotated.secret, expect.stringMatching(/^whsec_/)]);
    const later = new Date(old!.expiresAt!.getTime() + 1);
    expect(target?.secretsAt(later).map(({ value }) => value)).toEqual([rotated.secret]);
    const given = "a secret of at least 24 bytes";
    const last = await one.subscriptions.rotateSecret(id, { secret: given, graceMs: 0 });
    expect(last.secret).toBe(given);
    expect(last.subscription.secrets).toHaveLength(1);
    expect(await errorOf(one.subscriptions.rotateSecret(id, { secret: "short" }))).toMatchObject({
      code: "BUSBAR_INVALID_REQUEST",
      details: { issues: [{ path: "secret" }] },
    });
  });

  test("get a secret when the notifier that they change to signs", async () => {
    const { id } = await one.subscriptions.create(newSubscription({ notifier: "queue" }));
    const { secrets } = await one.subscriptions.update(id, { notifier: "shop" });
    expect(secrets).toHaveLength(1);
    const target = await one.targets.of(id, 2);
    expect(target?.secretsAt(new Date())).toMatchObject([{ value: expect.any(String) }]);
  });
});
