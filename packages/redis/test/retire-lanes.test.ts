import { describe, expect, test } from "vitest";
import type { RetireLaneRequest } from "../src/store/retire-scripts.ts";
import type { Scripts } from "../src/store/scripts.ts";
import { envelope, subscription, type TestSession } from "./support/test-session.ts";
import { useSessions } from "./support/use-sessions.ts";

const open = useSessions();
const COUNT = 1_200;

/** Deliveries of one key, each second one of event "b". */
async function fill(session: TestSession): Promise<void> {
  const events = ["a", "b"];
  await session.registry.declare([subscription("mail", { events, ordering: "key" })]);
  const sent = Array.from({ length: COUNT }, (_, index) =>
    envelope(`${index}`, { name: events[index % 2]!, orderingKey: "k" }),
  );
  await session.publish(...sent);
}

async function waiting({ admin }: TestSession): Promise<readonly string[]> {
  const page = await admin.listWaiting!("mail", { limit: COUNT });
  return page.items.map((it) => it.envelope.id);
}

async function dead({ admin }: TestSession): Promise<readonly string[]> {
  const { items } = await admin.listDead("mail", { limit: COUNT });
  return items.map((it) => it.envelope.id);
}

const numbers = (isMeant: (index: number) => boolean): readonly string[] =>
  Array.from({ length: COUNT }, (_, index) => index)
    .filter(isMeant)
    .map(String);

const sorted = (ids: readonly string[]): readonly string[] =>
  ids.toSorted((one, other) => Number(one) - Number(other));

describe("a long lane", () => {
  test("is drained page by page, and after a crash between two pages by a second call", async () => {
    const counts: number[] = [];
    let hasFailed = false;
    const wrapScripts = (scripts: Scripts): Scripts => ({
      ...scripts,
      retireLane: (key, request: RetireLaneRequest, data) => {
        counts.push(request.count);
        if (counts.length === 3 && !hasFailed) {
          hasFailed = true;
          throw new TypeError("crash");
        }
        return scripts.retireLane(key, request, data);
      },
    });
    const session = await open({ wrapScripts });
    await fill(session);
    const drain = async (): Promise<number> =>
      session.admin.drain!("mail", { backlog: "dead-letter" });
    await expect(drain()).rejects.toThrow("crash");
    expect(await dead(session)).toHaveLength(500);
    expect(await waiting(session)).toEqual(numbers((index) => index >= 500));
    expect(await drain()).toBe(COUNT - 500);
    expect(sorted(await dead(session))).toEqual(numbers(() => true));
    expect(await waiting(session)).toEqual([]);
    expect(Math.max(...counts)).toBeLessThanOrEqual(500);
    // The key is free.
    await session.publish(envelope("next", { name: "a", orderingKey: "k" }));
    expect(await waiting(session)).toEqual(["next"]);
  });

  test("keeps in their order what is still wanted, and what dead letters have no room for", async () => {
    const session = await open({
      context: { deadLetters: { maxPerSubscription: 400, maxAgeMs: 60_000 } },
    });
    await fill(session);
    const retire = async (): Promise<number> =>
      session.registry.retire("mail", { events: ["a"], backlog: "dead-letter" });
    expect(await retire()).toBe(400);
    expect(await waiting(session)).toEqual(numbers((index) => index % 2 === 1 || index >= 800));
    expect(session.warnings).toEqual([expect.stringMatching(/as many dead letters as it keeps/)]);
    await session.admin.discardDead(
      "mail",
      (await session.admin.listDead("mail", { limit: COUNT })).items.map(({ id }) => id),
    );
    expect(await retire()).toBe(200);
    expect(await waiting(session)).toEqual(numbers((index) => index % 2 === 1));
    expect(session.reports.filter(({ type }) => type === "dead-letters-dropped")).toEqual([]);
  });

  test("loses nothing while a worker takes from its head", async () => {
    const taken: string[] = [];
    const wrapScripts = (scripts: Scripts, redis: TestSession["redis"]): Scripts => ({
      ...scripts,
      // As the turn of a worker does between the look at a page and the script.
      retireLane: async (key, request, data) => {
        const lane = `${request.own}lane:${request.queue}${request.key}`;
        const items = await redis.lrange(lane, 0, 9);
        await redis.ltrim(lane, items.length, -1);
        taken.push(...items.map((item) => JSON.parse(item).events[0].id as string));
        return scripts.retireLane(key, request, data);
      },
    });
    const session = await open({ wrapScripts });
    await fill(session);
    await session.registry.retire("mail", { events: ["a"], backlog: "dead-letter" });
    const isTaken = new Set(taken);
    const left = (rest: number) => (index: number) =>
      index % 2 === rest && !isTaken.has(String(index));
    expect(sorted(await dead(session))).toEqual(numbers(left(0)));
    expect(await waiting(session)).toEqual(numbers(left(1)));
  });
});
