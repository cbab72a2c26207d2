import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { commonEvents } from "../src/events.ts";
import { openTestShop, type TestShop } from "./open-test-shop.ts";
import { product, type Scenario, scenarios, SKU, STORE } from "./scenarios.ts";

let opened: TestShop;

beforeAll(async () => {
  opened = await openTestShop();
  await product(opened.quietly, SKU);
  await opened.hooks.subscriptions.create({
    events: ["*.**"],
    destination: "here",
    notifier: "keeper",
  });
});

afterAll(() => opened.close());

/** The names of all events of a scenario, in their order. */
function namesOf({ event, besides = [] }: Scenario): readonly string[] {
  return [event, ...besides].toSorted((a, b) => a.localeCompare(b));
}

test("there is a scenario for each of the 22 events", () => {
  const names = Object.keys(commonEvents.definitions);
  expect(scenarios.map(({ event }) => event).toSorted()).toEqual(names.toSorted());
  expect(names).toHaveLength(22);
});

test("the catalogue has a schema, an example and a permission for each", () => {
  const entries = opened.hooks.catalogue.entries();
  for (const { event } of scenarios) {
    expect(entries.find(({ name }) => name === event)).toMatchObject({
      description: expect.stringMatching(/\.$/),
      schema: { type: "object" },
      example: { id: expect.any(Number) },
      permissions: [expect.stringMatching(/\.view$/)],
    });
  }
});

describe.each(scenarios)("$event", (scenario) => {
  const { event, read, arrange, change, again } = scenario;

  test("is published once, in the scope of the store, with what the API answers", async () => {
    const { shop, api, quietly, deliveredBy } = opened;
    const given = await arrange(quietly);
    let id = 0;
    const delivered = await deliveredBy(async () => (id = await change(shop, given)));
    expect(delivered.map(({ name }) => name)).toEqual(namesOf(scenario));
    expect(new Set(delivered.map(({ scope }) => scope))).toEqual(new Set([String(STORE)]));
    const answer = await api[read](id);
    expect(answer).toMatchObject({ id, storeId: STORE });
    expect(delivered.find(({ name }) => name === event)?.data).toEqual(answer);
  });

  test("is published once for two such changes of an object in one unit of work", async () => {
    const { shop, quietly, deliveredBy } = opened;
    const given = await arrange(quietly);
    const delivered = await deliveredBy(() =>
      shop.transaction(async () => {
        await change(shop, given);
        await again?.(shop, given);
      }),
    );
    expect(delivered.map(({ name }) => name)).toEqual(namesOf(scenario));
  });

  test("is not published when the unit of work is rolled back", async () => {
    const { shop, quietly, deliveredBy } = opened;
    const given = await arrange(quietly);
    const failed = new Error("The card was declined");
    const delivered = await deliveredBy(async () => {
      const work = shop.transaction(async () => {
        await change(shop, given);
        throw failed;
      });
      await expect(work).rejects.toBe(failed);
    });
    expect(delivered).toEqual([]);
  });
});

describe.each(scenarios.filter(({ again }) => again))("$event", ({ arrange, change, again }) => {
  test("is not published when nothing changes", async () => {
    const { shop, quietly, deliveredBy } = opened;
    const given = await arrange(quietly);
    await change(quietly, given);
    expect(await deliveredBy(async () => again?.(shop, given))).toEqual([]);
  });
});
