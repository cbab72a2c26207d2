import type { Envelope, Settlement } from "@busbar/core/provider";
import { afterAll, describe, expect, test } from "vitest";
import { ACK } from "./support/consumer.ts";
import { eventually } from "./support/eventually.ts";
import { startProcess, type TestProcess } from "./support/process.ts";
import { envelope, subscription, type TestSession } from "./support/test-session.ts";
import { useConsumers } from "./support/use-consumers.ts";
import { useSessions } from "./support/use-sessions.ts";

const open = useSessions(afterAll);
const workers: TestProcess[] = [];
const consume = useConsumers(afterAll);
const LIMIT = { timeout: 150_000 };
const MAX_CRASHES = 2;
const POISON = "poison";

afterAll(async () => {
  await Promise.all(workers.splice(0).map((worker) => worker.kill()));
});

/** Crashes that a hand-over was told of, by event. */
type Told = readonly (readonly [id: string, crashes: number])[];

interface Crashes {
  readonly deaths: number;
  readonly told: Told;
}

/** Starts workers, one after the other, until the poison has ended more than its share of them. */
async function crashAgainAndAgain(
  session: TestSession,
  envelopes: readonly (readonly Envelope[])[],
  input: { readonly killsAfterMs: number; readonly spec?: object; readonly other?: object },
): Promise<Crashes> {
  for (const batch of envelopes) await session.publish(...batch);
  const told: (readonly [string, number])[] = [];
  const { prefix } = session.keys;
  const url = `redis://127.0.0.1:${session.redis.options.port}`;
  for (let deaths = 1; deaths <= 12; deaths += 1) {
    const worker = await startProcess("consuming-worker.ts", {
      url,
      prefix,
      hold: "slow",
      poison: POISON,
      ...input,
    });
    workers.push(worker);
    await worker.ended;
    for (const [word, id, crashes] of worker.lines) {
      if (word === "handed") told.push([String(id), Number(crashes)]);
    }
    if (told.some(([, crashes]) => crashes >= MAX_CRASHES)) return { deaths, told };
  }
  throw new Error(`The poison is not found: ${JSON.stringify(told)}`);
}

async function declared(changes: object = {}): Promise<TestSession> {
  const session = await open({ options: { lockDurationMs: 1_000, stalledCheckMs: 300 } });
  await session.registry.declare([subscription("mail", changes)]);
  return session;
}

/** All but the poison are handled in the end, and it is dead. */
async function ends(session: TestSession, told: Told, spec: object = {}): Promise<void> {
  const mail = await consume(session, spec, ({ crashes }): Settlement =>
    crashes > MAX_CRASHES ? { type: "dead", reason: "crashed", state: null } : ACK,
  );
  await eventually(async () => {
    const [stats] = await session.admin.stats();
    expect(stats).toMatchObject({ ready: 0, delayed: 0, inFlight: 0, dead: 1 });
  }, 30_000);
  const { items } = await session.admin.listDead("mail", { limit: 10 });
  expect(items.map((it) => it.envelope.id)).toEqual([POISON]);
  const all = [...told, ...mail.deliveries.map((it) => [it.envelope.id, it.crashes] as const)];
  expect(all.filter(([id, crashes]) => id !== POISON && crashes > 0)).toEqual([]);
}

function pack(...ids: readonly string[]): readonly Envelope[] {
  return ids.map((id) => envelope(id));
}

// Most of the time they wait for locks to end: all at the same time.
describe.concurrent("of what a process that dies had in hand, no neighbour is counted", () => {
  test.each([
    ["a pack of quick ones, and one that kills at once", ["e1", "e2", POISON, "e3"], 0, 4],
    ["a pack of ones that hang, and one that kills at once", ["slow1", "slow2", POISON], 0, 5],
    // A suspect of these workers is trusted after 100 ms.
    ["a pack of ones that hang, and one that kills late", ["slow1", POISON, "slow2"], 250, 10],
  ])("%s", LIMIT, async (_, ids, killsAfterMs, mostDeaths) => {
    const session = await declared();
    const { deaths, told } = await crashAgainAndAgain(session, [pack(...ids)], { killsAfterMs });
    expect(deaths).toBeLessThanOrEqual(mostDeaths);
    await ends(session, told);
  });

  test("jobs of one event, and one that kills", LIMIT, async () => {
    const session = await declared();
    const batches = ["slow1", "e1", POISON, "slow2"].map((id) => pack(id));
    const { deaths, told } = await crashAgainAndAgain(session, batches, { killsAfterMs: 50 });
    expect(deaths).toBeLessThanOrEqual(6);
    await ends(session, told);
  });

  test("jobs of one event of two subscriptions, and one that kills", LIMIT, async () => {
    const spec = { events: ["order.*"] };
    const session = await declared(spec);
    const other = { subscriptionId: "stock", events: ["stock.*"] };
    await session.registry.declare([subscription("stock", other)]);
    const batches = [[envelope("slow1", { name: "stock.counted" })], pack(POISON)];
    const input = { killsAfterMs: 300, spec, other };
    const { deaths, told } = await crashAgainAndAgain(session, batches, input);
    expect(deaths).toBeLessThanOrEqual(8);
    expect(told.filter(([id, crashes]) => id !== POISON && crashes > 0)).toEqual([]);
  });

  test("keys in hand, of which one has an event that kills after a checkpoint", LIMIT, async () => {
    const ordering = { ordering: "key" } as const;
    const session = await declared(ordering);
    const events = ["slow1", POISON, "e1"].map((id) => envelope(id, { orderingKey: id }));
    const input = { killsAfterMs: 250, spec: ordering };
    const { deaths, told } = await crashAgainAndAgain(session, [events], input);
    expect(deaths).toBeLessThanOrEqual(10);
    await ends(session, told, ordering);
  });
});
