import { setTimeout as sleep } from "node:timers/promises";
import { type EventBus, createEventBus } from "@busbar/core";
import type { EventProvider } from "@busbar/core/provider";
import { expect } from "vitest";
import { once } from "../../src/inbox.ts";
import { migrate } from "../../src/migrate.ts";
import { outbox } from "../../src/outbox.ts";
import type { TestDatabase } from "./stores.ts";
import { until } from "./until.ts";

/** Milliseconds within which everything goes on, of which the longest wait of the relay is 10 000. */
const GOES_ON_WITHIN_MS = 25_000;

/** What {@link survive} is given. */
export interface SurviveOptions {
  /** Says in the report what was away. */
  readonly what: string;
  readonly database: TestDatabase;
  readonly provider: EventProvider;
  /** Resolves when all is there again. */
  readonly outage: () => Promise<void>;
}

interface Written {
  readonly committed: Set<string>;
  /** The commit may have happened although its answer was lost. */
  readonly unsure: Set<string>;
}

/**
 * Has three writers emit through an outage. Expects that it goes on by itself, that all arrives that was
 * committed and nothing else, and that each has its effect once. Reports what it has seen.
 */
export async function survive(options: SurviveOptions): Promise<void> {
  const { what, database, provider, outage } = options;
  const store = database.createStore();
  await migrate(store);
  await database.query("CREATE TABLE effects (event_id text)");
  const arrivals = new Map<string, number>();
  const bus = createEventBus({
    name: `shop-${crypto.randomUUID().slice(0, 8)}`,
    provider,
    plugins: [outbox({ store: database.createStore(), relay: { leaseMs: 2_000 } })],
  });
  bus.subscribe("**", ({ id }) => void arrivals.set(id, (arrivals.get(id) ?? 0) + 1), {
    subscriberId: "plain",
  });
  const sql = `INSERT INTO ${database.prefix}effects VALUES ($1)`;
  bus.subscribe(
    "**",
    once(async ({ id }, { tx }) => void (await store.within(tx).execute(sql, [id])), { store }),
    { subscriberId: "ledger", attempts: 1_000, backoff: 200 },
  );
  await bus.start();
  const written: Written = { committed: new Set(), unsure: new Set() };
  let isOver = false;
  const writers = Array.from({ length: 3 }, () =>
    emitOnAndOn(bus, database, written, () => isOver),
  );
  try {
    await until(() => arrivals.size > 20, "a start");
    await outage();
    const from = performance.now();
    const before = arrivals.size;
    await until(
      () => arrivals.size > before,
      "the first event after the outage",
      GOES_ON_WITHIN_MS,
    );
    const wentOnAfterMs = performance.now() - from;
    await until(() => arrivals.size > before + 50, "events after the outage", GOES_ON_WITHIN_MS);
    isOver = true;
    await Promise.all(writers);
    const { committed, unsure } = written;
    const isThere = (id: string): boolean => arrivals.has(id);
    for (let arrived = -1; ![...committed].every(isThere);) {
      arrived = await until(
        async () => {
          await sleep(100);
          return arrivals.size > arrived && arrivals.size;
        },
        "more of what was committed",
        60_000,
      );
    }
    const effects = await allEffects(database, committed);
    const known = (id: string): boolean => committed.has(id) || unsure.has(id);
    expect([...arrivals.keys()].filter((id) => !known(id))).toEqual([]);
    expect(effects.filter((id) => !known(id))).toEqual([]);
    expect(effects).toHaveLength(new Set(effects).size);
    const repeated = [...arrivals.values()].filter((times) => times > 1).length;
    console.log(
      `${what}, ${database.name}: ${committed.size} events, lost 0, repeated ${repeated}, ` +
        `effects twice 0; went on ${Math.round(wentOnAfterMs)} ms after the end`,
    );
  } finally {
    isOver = true;
    await Promise.all(writers);
    await bus.stop({ graceMs: 1_000 });
  }
}

/** Emits until told to stop, and goes on when a transaction fails. */
async function emitOnAndOn(
  bus: EventBus,
  database: TestDatabase,
  { committed, unsure }: Written,
  isOver: () => boolean,
): Promise<void> {
  while (!isOver()) {
    let id = "";
    try {
      await database.transaction(async (tx) => {
        [id = ""] = await bus.withTransaction(tx).emit("a", 1);
      });
      committed.add(id);
      await sleep(5);
    } catch {
      if (id !== "") unsure.add(id);
      await sleep(20);
    }
  }
}

/**
 * The effects, once those of all these events are there. Waits for as long as there are more and more: how many there
 * are after a long outage, and how fast they come, depends on the machine.
 */
async function allEffects(
  database: TestDatabase,
  ids: ReadonlySet<string>,
): Promise<readonly string[]> {
  const read = async (): Promise<readonly string[]> =>
    (await database.query("SELECT event_id FROM effects")).map((row) => String(row["event_id"]));
  for (let effects = await read(); ;) {
    const found = new Set(effects);
    const missing = [...ids].filter((id) => !found.has(id)).length;
    if (missing === 0) return effects;
    const before = effects.length;
    effects = await until(
      async () => {
        await sleep(100);
        const now = await read();
        return now.length > before && now;
      },
      `one more of ${missing} effects`,
      60_000,
    );
  }
}
