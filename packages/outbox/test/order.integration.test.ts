import { BusbarError, createEventBus, type EventBus } from "@busbar/core";
import type { PublishResult } from "@busbar/core/provider";
import { localProvider } from "@busbar/local";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { outbox, type Outbox } from "../src/outbox.ts";
import type { OutboxStore } from "../src/outbox-store.ts";
import { databases, type TestDatabase } from "./support/stores.ts";
import { until } from "./support/until.ts";
import { wrapped } from "./support/wrapped.ts";

/** What the provider answers for one event: nothing where it takes it. */
type Refuse = (data: unknown) => (PublishResult & { status: "rejected" }) | undefined;

const REFUSED = { status: "rejected", code: "refused", reason: "no" } as const;

/** Locks the oldest row of an outbox, as a claim does that is not committed, until `end` is called. */
function lockOldest(database: TestDatabase): {
  readonly locked: Promise<void>;
  readonly other: Promise<void>;
  readonly end: () => void;
} {
  let end = (): void => {};
  let other = Promise.resolve();
  const ended = new Promise<void>((resolve) => (end = resolve));
  const locked = new Promise<void>((resolve, reject) => {
    other = database.transaction(async (tx: { query(sql: string): Promise<unknown> }) => {
      await tx.query("SELECT id FROM busbar_outbox ORDER BY id LIMIT 1 FOR UPDATE");
      resolve();
      await ended;
    });
    other.catch(reject);
  });
  return { locked, other, end };
}

describe.each(databases)("the order of a key on %s", (name, createDatabase) => {
  const isSqlite = name === "SQLite";
  let database: TestDatabase;
  let bus: EventBus;
  let plugin: Outbox;
  let accepted: unknown[];

  beforeEach(async () => {
    database = await createDatabase();
    accepted = [];
  });

  afterEach(async () => {
    await bus.stop({ graceMs: 500 });
    await database.close();
  });

  /** Starts a bus whose provider judges each event of a batch by itself, and notes what it takes. */
  async function start(
    refuse: Refuse,
    store: OutboxStore<never> = database.createStore(),
    onPublish: (size: number) => void = () => {},
    wholeBatches = false,
  ): Promise<void> {
    const inner = localProvider();
    plugin = outbox({ store });
    bus = createEventBus({
      provider: {
        ...wrapped(inner),
        capabilities: { ...inner.capabilities, wholeBatches },
        async publish(batch, options) {
          onPublish(batch.length);
          const each = batch.map(({ data }) => refuse(data));
          const refusal = each.find((it) => it);
          const refusals = wholeBatches && refusal ? batch.map(() => refusal) : each;
          const taken = batch.filter((_each, index) => !refusals[index]);
          const results = [...(await inner.publish(taken, options))];
          accepted.push(...taken.map(({ data }) => data));
          return refusals.map((it) => it ?? (results.shift() as PublishResult));
        },
      },
      plugins: [plugin],
      emitTimeoutMs: 200,
    });
    bus.subscribe("**", () => {}, { subscriberId: "all" });
    await bus.start();
  }

  /** Emits in one transaction, each event with its first letter as its key. */
  const emit = (...data: string[]): Promise<unknown> =>
    database.transaction((tx) =>
      bus
        .withTransaction(tx)
        .emit(data.map((each) => ({ name: "e", data: each, options: { orderingKey: each[0] } }))),
    );
  const of = (key: string): unknown[] => accepted.filter((data) => String(data).startsWith(key));

  test("holds when one event of a batch is refused once, and is worth another try", async () => {
    let refusals = 0;
    await start((data) =>
      data === "a2" && refusals++ === 0 ? { ...REFUSED, retryable: true } : undefined,
    );
    await emit("a1", "a2", "b1", "a3", "b2", "a4");
    await until(() => accepted.length === 6, "all of them");
    expect(of("a")).toEqual(["a1", "a2", "a3", "a4"]);
    expect(of("b")).toEqual(["b1", "b2"]);
  });

  test.each([
    ["refused for longer than an emit may take", { ...REFUSED, retryable: true }],
    ["without room", { ...REFUSED, code: "overloaded" }],
  ] as const)(
    "holds when one event of a batch is %s, and others do not wait",
    async (_how, refusal) => {
      let isAway = true;
      await start((data) => (isAway && data === "a2" ? refusal : undefined));
      await emit("a1", "a2", "b1", "a3", "b2", "a4");
      await until(() => of("b").length === 2, "those of another key");
      expect(of("a")).toEqual(["a1"]);
      await until(async () => (await plugin.inspect()).relay.state === "waiting", "a failure");
      await emit("a5");
      isAway = false;
      await until(() => of("a").length === 5, "all of them");
      expect(of("a")).toEqual(["a1", "a2", "a3", "a4", "a5"]);
    },
  );

  test.each([
    ["judges each event by itself: one of each key at a time", false, [3, 1]],
    ["takes batches as a whole: all at once", true, [4]],
  ])("leaves a provider that %s", async (_how, wholeBatches, expected) => {
    const sizes: number[] = [];
    await start(
      () => undefined,
      database.createStore(),
      (size) => void sizes.push(size),
      wholeBatches,
    );
    await emit("a1", "b1", "a2", "c1");
    await until(() => accepted.length === 4, "all of them");
    expect(sizes).toEqual(expected);
  });

  test("goes on behind an event that is refused for good, and that one comes when it is retried", async () => {
    let isPoison = true;
    await start((data) => (isPoison && data === "a2" ? REFUSED : undefined));
    await emit("a1", "a2", "a3");
    await until(() => accepted.length === 2, "the others");
    const failed = await until(async () => (await plugin.failed.list())[0], "the poison");
    expect(failed).toMatchObject({ error: "no", envelope: { data: "a2", orderingKey: "a" } });
    isPoison = false;
    await plugin.failed.retry();
    await until(() => accepted.length === 3, "the poison, which has become none");
    expect(accepted).toEqual(["a1", "a3", "a2"]);
  });

  test("leaves only the culprit aside where a batch is refused for good as a whole", async () => {
    await start((data) => (data === "a2" ? REFUSED : undefined), undefined, undefined, true);
    await emit("a1", "b1", "a2", "a3");
    await until(() => accepted.length === 3, "the others");
    expect(accepted).toEqual(["a1", "b1", "a3"]);
    const failed = await until(async () => {
      const list = await plugin.failed.list();
      return list.length > 0 && list;
    }, "the culprit");
    expect(failed.map(({ envelope }) => envelope?.data)).toEqual(["a2"]);
  });

  const tooLarge = {
    "an invalid message": () =>
      new BusbarError("BUSBAR_INVALID_MESSAGE", "too large", { issues: [] }),
    "a RangeError": () => new RangeError("too large"),
    "an error that says that a repeat is refused as well": () =>
      new BusbarError("BUSBAR_UNAVAILABLE", "too large", { provider: "x", retryable: false }),
  };

  test.each(
    [true, false].flatMap((wholeBatches) =>
      Object.entries(tooLarge).map(([what, make]) => [what, wholeBatches, make] as const),
    ),
  )(
    "leaves only the culprit aside where a publish throws %s, with whole batches: %s",
    async (_what, wholeBatches, make) => {
      await start(
        (data) => {
          if (data !== "a2") return undefined;
          throw make();
        },
        undefined,
        undefined,
        wholeBatches,
      );
      await emit("a1", "b1", "a2", "a3", "b2");
      await until(() => accepted.length === 4, "the others");
      expect([of("a"), of("b")]).toEqual([
        ["a1", "a3"],
        ["b1", "b2"],
      ]);
      const failed = await until(async () => (await plugin.failed.list())[0], "the culprit");
      expect(failed).toMatchObject({
        error: expect.stringContaining("too large"),
        envelope: { data: "a2" },
      });
    },
  );

  test.skipIf(isSqlite)(
    "holds behind a row that another relay is about to claim, and others do not wait",
    async () => {
      await start(() => undefined);
      await plugin.pause();
      await emit("a1", "a2", "b1", "a3");
      const { locked, other, end } = lockOldest(database);
      await locked;
      plugin.resume();
      await until(() => of("b").length === 1, "that of another key");
      await emit("b2");
      await until(() => of("b").length === 2, "a later one of another key");
      expect(of("a")).toEqual([]);
      end();
      await other;
      await until(() => of("a").length === 3, "those of the key");
      expect(of("a")).toEqual(["a1", "a2", "a3"]);
    },
  );

  test("holds when the answer to a claim is lost", async () => {
    let losesAnswer = false;
    const inner = database.createStore();
    await start(() => undefined, {
      ...inner,
      async execute(sql, parameters) {
        const rows = await inner.execute(sql, parameters);
        if (!losesAnswer || !sql.includes("due AS") || rows.length === 0) return rows;
        losesAnswer = false;
        throw new Error("the connection has ended");
      },
    });
    losesAnswer = true;
    await emit("a1", "a2");
    await until(() => !losesAnswer, "the loss");
    await emit("a3");
    await until(() => accepted.length === 3, "all of them");
    expect(accepted).toEqual(["a1", "a2", "a3"]);
  });

  test("holds when rows cannot be given back", async () => {
    let isAway = true;
    let refusesRelease = true;
    const inner = database.createStore();
    await start((data) => (isAway && data === "a2" ? { ...REFUSED, retryable: true } : undefined), {
      ...inner,
      async execute(sql, parameters) {
        if (refusesRelease && sql.includes("SET state = 'pending', claim = NULL")) {
          refusesRelease = false;
          isAway = false;
          throw new Error("the connection has ended");
        }
        return inner.execute(sql, parameters);
      },
    });
    await emit("a1", "a2", "a3");
    await until(() => !refusesRelease, "the refusal");
    await emit("a4");
    await until(() => accepted.length === 4, "all of them");
    expect(accepted).toEqual(["a1", "a2", "a3", "a4"]);
  });
});
