import { isBusbarError } from "@busbar/core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { databases, type TestDatabase } from "../support/databases.ts";
import {
  KEYS,
  newSubscription,
  openSubscriptions,
  type TestSubscriptions,
} from "../support/open-subscriptions.ts";

const HIDDEN = "[secret]";
const SECRETS = {
  first: "first secret of at least 24 bytes",
  second: "second secret of at least 24 bytes",
  password: "password-1-swordfish",
  nested: "password-2-swordfish",
  header: "header-3-swordfish",
};
const SETTINGS = {
  password: SECRETS.password,
  auth: { user: "ann", password: SECRETS.nested },
  headers: [{ name: "X-Key", value: SECRETS.header }],
};
const SHOWN = {
  password: HIDDEN,
  auth: { user: "ann", password: HIDDEN },
  headers: [{ name: "X-Key", value: HIDDEN }],
};

/** Everything that an error says, its causes included. */
function textOf(error: unknown): string {
  if (!(error instanceof Error)) return JSON.stringify(error);
  const { message, stack, cause, ...rest } = error;
  return [message, stack, JSON.stringify(rest), cause && textOf(cause)].join("\n");
}

async function errorOf(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => expect.unreachable("it should have been refused"),
    (error: unknown) => error,
  );
}

describe.each(databases)("the secrets of subscriptions on %s", (_, open) => {
  let database: TestDatabase;
  let one: TestSubscriptions;
  const opened: TestSubscriptions[] = [];

  /** Another process, with these keys. */
  const openWith = async (...keys: readonly (keyof typeof KEYS)[]): Promise<TestSubscriptions> => {
    const other = await openSubscriptions(database, { keys: keys.map((key) => KEYS[key]) });
    opened.push(other);
    return other;
  };
  const sealedOf = async (id: string): Promise<string> => {
    const [row] = await database.query(
      "SELECT sealed FROM busbar_webhook_subscriptions WHERE id = $1",
      [id],
    );
    return String(row?.["sealed"]);
  };
  /** Everything that the database has, as text. */
  const contentOf = async (): Promise<string> => {
    const tables = ["subscriptions", "subscription_versions", "endpoints", "state"];
    const rows = await Promise.all(
      tables.map((table) => database.query(`SELECT * FROM busbar_webhook_${table}`)),
    );
    return JSON.stringify(rows, (__, value: unknown) =>
      typeof value === "bigint" ? String(value) : value,
    );
  };
  const expectNoSecret = (text: string): void => {
    for (const secret of Object.values(SECRETS)) expect(text).not.toContain(secret);
    expect(text).not.toContain(Buffer.alloc(32, 1).toString("base64"));
  };

  beforeAll(async () => {
    database = await open();
    one = await openWith("first");
  });
  afterAll(async () => {
    await Promise.all(opened.map((it) => it.stop()));
    await database?.close();
  });

  test("are in nothing that is returned, stored as text, logged or reported", async () => {
    const { subscriptions, targets } = one;
    const created = await subscriptions.create(
      newSubscription({ settings: SETTINGS, secret: SECRETS.first }),
    );
    expect(created).toMatchObject({ settings: SHOWN, secret: null });
    const { id } = created;
    const returned: unknown[] = [
      created,
      await subscriptions.update(id, { settings: SHOWN, label: "same" }),
      await subscriptions.update(id, { settings: { ...SHOWN, timeoutMs: 9 } }),
      await subscriptions.setEnabled({ ids: [id] }, false),
      (await subscriptions.rotateSecret(id, { secret: SECRETS.second })).subscription,
      await subscriptions.get(id),
      await subscriptions.list(),
      (await targets.of(id, 5))?.subscription,
      await subscriptions.delete(id),
      await subscriptions.versions(id),
      one.changes,
      one.lines,
      await one.store.enabled(),
    ];
    expectNoSecret(JSON.stringify(returned));
    expectNoSecret(await contentOf());
    expect(await sealedOf(id)).toBe("null");
  });

  test("are in no error", async () => {
    const { subscriptions } = one;
    const { id } = await subscriptions.create(
      newSubscription({ settings: SETTINGS, secret: SECRETS.first }),
    );
    const { password, nested, first } = SECRETS;
    const wrong: readonly (() => Promise<unknown>)[] = [
      () => subscriptions.update(id, { settings: { password: [password] } }),
      () => subscriptions.update(id, { settings: { pasword: password } }),
      () => subscriptions.update(id, { settings: { ...SETTINGS, timeoutMs: password } }),
      () => subscriptions.update(id, { settings: { auth: { user: "ann", passwd: nested } } }),
      () => subscriptions.update(id, { settings: { auth: { password: HIDDEN } } }),
      () => subscriptions.update(id, { settings: { ...SHOWN, timeoutMs: -1 } }),
      () => subscriptions.update(id, { settings: SHOWN, notifier: "queue" }),
      () =>
        subscriptions.update(id, {
          settings: SHOWN,
          destination: `https://u:${password}@a.example`,
        }),
      () => subscriptions.update(id, { secret: first } as never),
      () => subscriptions.create(newSubscription({ secret: [first] as never })),
      () => subscriptions.create(newSubscription({ secret: `whsec_${first}` })),
      () => subscriptions.create(newSubscription({ secret: `${first}\n`.repeat(99) })),
      () => subscriptions.create(newSubscription({ settings: SETTINGS, notifier: "shpo" })),
      () => subscriptions.rotateSecret(id, { secret: first }),
      () => subscriptions.rotateSecret(id, { secret: first, graceMs: -1 }),
    ];
    for (const work of wrong) {
      const error = await errorOf(work());
      expect(isBusbarError(error, "BUSBAR_INVALID_REQUEST"), textOf(error)).toBe(true);
      expectNoSecret(textOf(error));
    }
    expect(await subscriptions.get(id)).toMatchObject({ version: 1 });
  });

  test("may be any text if the caller says so, as those of Mage-OS are", async () => {
    const secret = "sha-signing-secret";
    const given = newSubscription({ secret });
    expect(textOf(await errorOf(one.subscriptions.create(given)))).toMatch(/at least 24 bytes/);
    const { id } = await one.subscriptions.create(given, { anySecret: true });
    const target = await one.targets.of(id, 1);
    expect(target?.secretsAt(new Date())).toMatchObject([{ type: "v1", value: secret }]);
    const next = { secret: "x" };
    expect(textOf(await errorOf(one.subscriptions.rotateSecret(id, next)))).toMatch(/24 bytes/);
    const rotated = await one.subscriptions.rotateSecret(id, { ...next, anySecret: true });
    expect(rotated.secret).toBe("x");
  });

  test("are given to deliveries, as they were stored", async () => {
    const { id } = await one.subscriptions.create(
      newSubscription({ settings: SETTINGS, secret: SECRETS.first }),
    );
    const target = await one.targets.of(id, 1);
    expect(target).toMatchObject({ settings: { ...SETTINGS, timeoutMs: 15_000 }, issues: [] });
    expect(target?.secretsAt(new Date())).toMatchObject([{ value: SECRETS.first }]);
    await one.subscriptions.update(id, {
      settings: { ...SHOWN, password: "another", timeoutMs: 9 },
    });
    expect(await one.targets.of(id, 1)).toBe(target);
    expect(await one.targets.of(id, 2)).toMatchObject({
      settings: { ...SETTINGS, password: "another", timeoutMs: 9 },
    });
    await one.subscriptions.delete(id);
    expect(await one.targets.of(id, 3)).toBeUndefined();
    expect(await one.targets.of(crypto.randomUUID(), 1)).toBeUndefined();
  });

  test("stay while their notifier, or the schema of its settings, has changed", async () => {
    const { id } = await one.subscriptions.create(newSubscription({ settings: SETTINGS }));
    const table = "busbar_webhook_subscriptions";
    await database.query(`UPDATE ${table} SET notifier = 'gone' WHERE id = $1`, [id]);
    expect(await (await openWith("first")).targets.of(id, 1)).toMatchObject({
      notifier: undefined,
      settings: undefined,
      issues: [],
    });
    await database.query(`UPDATE ${table} SET notifier = 'queue' WHERE id = $1`, [id]);
    const target = await (await openWith("first")).targets.of(id, 1);
    expect(target).toMatchObject({ notifier: { name: "queue" }, settings: undefined });
    expect(target?.issues.length).toBeGreaterThan(0);
    expectNoSecret(JSON.stringify(target?.issues));
  });

  test("need their key, and nothing else does", async () => {
    const { id } = await one.subscriptions.create(newSubscription({ settings: SETTINGS }));
    const two = await openWith("second");
    const before = await sealedOf(id);
    for (const work of [
      () => two.targets.of(id, 1),
      () => two.subscriptions.rotateSecret(id),
      () => two.subscriptions.update(id, { settings: SHOWN }),
    ]) {
      const error = await errorOf(work());
      expect(error).toMatchObject({ code: "BUSBAR_INVALID_CONFIG" });
      expect(textOf(error)).toMatch(/needs the encryption key "first"/);
    }
    expect(await sealedOf(id)).toBe(before);
    expect(await two.subscriptions.update(id, { label: "x", enabled: false })).toMatchObject({
      version: 2,
      settings: SHOWN,
    });
    expect(await one.targets.of(id, 2)).toMatchObject({ settings: SETTINGS });
  });

  test("of one subscription cannot be given to another", async () => {
    const { subscriptions, targets } = await openWith("first");
    const mine = await subscriptions.create(newSubscription());
    const yours = await subscriptions.create(newSubscription());
    await database.query("UPDATE busbar_webhook_subscriptions SET sealed = $2 WHERE id = $1", [
      mine.id,
      await sealedOf(yours.id),
    ]);
    expect(textOf(await errorOf(targets.of(mine.id, 1)))).toMatch(/was changed or moved/);
  });
});
