import { isBusbarError } from "@busbar/core";
import { createRouter } from "@busbar/core/provider";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import {
  newSubscriptionSchema,
  retryPolicySchema,
  subscriptionChangeSchema,
  subscriptionFilterSchema,
} from "../../src/subscriptions/schema.ts";
import { databases, type TestDatabase } from "../support/databases.ts";
import {
  newSubscription,
  openSubscriptions,
  type TestSubscriptions,
} from "../support/open-subscriptions.ts";

/** Text that is well-formed and has no control characters, of every plane of Unicode. */
function text(maxLength: number): fc.Arbitrary<string> {
  return fc
    .string({ unit: "binary", minLength: 1, maxLength: maxLength / 2 })
    .map((it) => it.replaceAll(/\p{Cc}/gu, "-"));
}

function isPatternOfBus(event: string): boolean {
  try {
    createRouter([{ subscriptionId: "any", events: [event] }]);
    return true;
  } catch {
    return false;
  }
}

const long = "x".repeat(70_000);

/** A malformed member, and what the issue says of which path. */
const MALFORMED: readonly (readonly [member: object, path: string, reason: RegExp])[] = [
  [{ label: 7 }, "label", /string of 1 to 200/],
  [{ label: "" }, "label", /string of 1 to 200/],
  [{ label: "x".repeat(201) }, "label", /string of 1 to 200/],
  [{ label: "a\u0000b" }, "label", /no control characters/],
  [{ label: "\ud800" }, "label", /well-formed/],
  [{ events: undefined }, "events", /must be an array/],
  [{ events: "order.placed" }, "events", /must be an array/],
  [{ events: [] }, "events", /1 to 100 items/],
  [{ events: Array.from({ length: 101 }, () => "a") }, "events", /1 to 100 items/],
  [{ events: ["a", "or der"] }, "events[1]", /without spaces/],
  [{ events: ["order*"] }, "events[0]", /one whole segment/],
  [{ events: ["**.placed"] }, "events[0]", /one whole segment/],
  [
    { events: ["order.plcaed"] },
    "events[0]",
    /there is no "order.plcaed", did you mean "order.placed"/,
  ],
  [{ events: [null] }, "events[0]", /string of 1 to 255/],
  [{ destination: undefined }, "destination", /string of 1 to 2048/],
  [{ destination: "x".repeat(2_049) }, "destination", /string of 1 to 2048/],
  [{ destination: "ftp://example.com" }, "destination", /must be an https URL/],
  [{ destination: "https://user:pass@example.com" }, "destination", /no user or password/],
  [{ notifier: "shp" }, "notifier", /"shop" or "queue", did you mean "shop"/],
  [{ notifier: "Http" }, "notifier", /must be "shop" or "queue"/],
  [{ settings: [] }, "settings", /must be an object/],
  [{ settings: { timeoutMs: "5" } }, "settings.timeoutMs", /./],
  [{ settings: { headers: [{ name: "A" }] } }, "settings.headers[0].value", /./],
  [{ settings: { password: "[secret]" } }, "settings.password", /must be the secret itself/],
  [{ settings: { a: long } }, "settings", /65536 characters/],
  [{ scope: "" }, "scope", /string of 1 to 255/],
  [{ scope: 5 }, "scope", /string of 1 to 255/],
  [{ filter: "x" }, "filter", /must be an object/],
  [{ filter: { "data.total": { $gt3: 1 } } }, "filter.data.total.$gt3", /did you mean "\$gt"/],
  [{ filter: { "data.a": long } }, "filter", /65536 characters/],
  [{ payload: "twice" }, "payload", /"emitted" or "once" or "attempt"/],
  [{ retry: "standard" }, "retry", /must be an object/],
  [{ retry: {} }, "retry.type", /must be "standard", "mageos"/],
  [{ retry: { type: "never" } }, "retry.type", /must be "standard", "mageos"/],
  [{ retry: { type: "linear", retries: 1 } }, "retry.stepMs", /whole number from 1/],
  [{ retry: { type: "linear", retries: -1, stepMs: 1 } }, "retry.retries", /from 0 to 100/],
  [{ retry: { type: "schedule", delaysMs: [] } }, "retry.delaysMs", /1 to 100 items/],
  [{ retry: { type: "schedule", delaysMs: [1.5] } }, "retry.delaysMs[0]", /whole number/],
  [{ retry: { type: "none", jitter: 2 } }, "retry.jitter", /number from 0 to 1/],
  [{ retry: { type: "none", jiter: 1 } }, "retry.jiter", /did you mean "jitter"/],
  [{ rate: 5 }, "rate", /must be an object/],
  [{ rate: { max: 0, perMs: 1_000 } }, "rate.max", /from 1 to 1000000/],
  [{ rate: { max: 1 } }, "rate.perMs", /whole number/],
  [{ concurrency: 0 }, "concurrency", /from 1 to 1000/],
  [{ concurrency: Number.NaN }, "concurrency", /from 1 to 1000/],
  [{ concurrency: 2 ** 60 }, "concurrency", /from 1 to 1000/],
  [{ orderingKey: "order..id" }, "orderingKey", /names of members/],
  [{ onOrderedFailure: "stop" }, "onOrderedFailure", /"skip" or "park"/],
  [{ redact: "a" }, "redact", /must be an array/],
  [{ redact: [""] }, "redact[0]", /string of 1 to 255/],
  [{ enabled: "yes" }, "enabled", /true or false/],
  [{ secret: "short" }, "secret", /at least 24 bytes/],
  [{ secret: "whpk_abc" }, "secret", /whsk_/],
  [{ lable: "x" }, "lable", /did you mean "label"/],
  [{ [long]: 1 }, `${long}`, /^unknown key$/],
];

/** No malformed request gets as far as the database. */
const [[, open]] = databases.slice(-1) as [(typeof databases)[number]];

describe("a malformed request", () => {
  let database: TestDatabase;
  let one: TestSubscriptions;
  let id: string;

  beforeAll(async () => {
    database = await open();
    one = await openSubscriptions(database, { eventNames: ["order.placed", "order.paid"] });
    ({ id } = await one.subscriptions.create(newSubscription()));
  });
  afterAll(async () => {
    await one?.stop();
    await database?.close();
  });

  const issuesOf = async (
    work: Promise<unknown>,
  ): Promise<readonly { path: string; reason: string }[]> => {
    const error: unknown = await work.then(
      () => expect.unreachable("it should have been refused"),
      (thrown: unknown) => thrown,
    );
    if (!isBusbarError(error, "BUSBAR_INVALID_REQUEST")) throw error;
    expect(error.message.length).toBeLessThan(5_000);
    return error.details.issues;
  };

  test.each(MALFORMED)("is refused with its place: %j", async (member, path, reason) => {
    const expected = [{ path, reason: expect.stringMatching(reason) }];
    const created = one.subscriptions.create({ ...newSubscription(), ...member });
    expect(await issuesOf(created)).toEqual(expected);
    if (Object.values(member).includes(undefined) || "secret" in member) return;
    expect(await issuesOf(one.subscriptions.update(id, member))).toEqual(expected);
  });

  test.each([null, undefined, 5, "x", [], () => {}])("is refused if it is %j", async (value) => {
    const issues = await issuesOf(one.subscriptions.create(value as never));
    expect(issues).toEqual([{ path: "", reason: "must be an object" }]);
  });

  test("is refused if its filter is no JSON", async () => {
    const filter = { "data.total": 1n } as never;
    const issues = await issuesOf(one.subscriptions.create(newSubscription({ filter })));
    expect(issues).toEqual([{ path: "filter", reason: expect.stringContaining("as JSON") }]);
  });

  test("is refused if it is nested too deeply for any schema", async () => {
    let settings: object = {};
    for (let level = 0; level < 100_000; level += 1) settings = { a: settings };
    const issues = await issuesOf(
      one.subscriptions.create(newSubscription({ settings: settings as never })),
    );
    expect(issues).toEqual([{ path: "", reason: "must not be nested deeper than 50 levels" }]);
    const circle: Record<string, unknown> = {};
    circle["a"] = circle;
    circle["b"] = circle;
    const again = one.subscriptions.update(id, { settings: circle as never });
    expect(await issuesOf(again)).toEqual(issues);
  });

  test("is refused with all its faults at once", async () => {
    const issues = await issuesOf(
      one.subscriptions.create({
        events: ["order.placed", "a b"],
        destination: "https://example.com",
        notifier: "shop",
        settings: { timeoutMs: -1 },
        concurrency: 0,
        lable: "x",
      } as never),
    );
    expect(issues.map(({ path }) => path).toSorted()).toEqual([
      "concurrency",
      "events[1]",
      "lable",
      "settings.timeoutMs",
    ]);
  });

  test("changes nothing", async () => {
    await issuesOf(one.subscriptions.update(id, { label: "new", concurrency: 0 }));
    expect(await one.subscriptions.get(id)).toMatchObject({ label: null, version: 1 });
  });

  test("of options, a page or a filter is refused as well", async () => {
    const { subscriptions } = one;
    for (const [work, path] of [
      [subscriptions.update(id, {}, { by: "" }), "by"],
      [subscriptions.update(id, {}, { ifVersion: 1.5 }), "ifVersion"],
      [subscriptions.update(id, {}, { ifVersoin: 1 } as never), "ifVersoin"],
      [subscriptions.list({}, { limit: 501 }), "limit"],
      [subscriptions.list({}, { cursor: "1 OR 1=1" }), "cursor"],
      [subscriptions.versions(id, { cursor: "x" }), "cursor"],
      [subscriptions.list({ evnet: "x" } as never), "evnet"],
      [subscriptions.list({ ids: "x" } as never), "ids"],
      [subscriptions.setEnabled({ text: "" }, true), "text"],
      [subscriptions.setEnabled({}, 1 as never), "enabled"],
      [subscriptions.rotateSecret(id, { graceMs: 604_800_001 }), "graceMs"],
    ] as const) {
      expect((await issuesOf(work)).map((issue) => issue.path)).toEqual([path]);
    }
  });

  test("may name an event that was in the catalogue when it was subscribed to", async () => {
    const created = await one.subscriptions.create(
      newSubscription({ events: ["order.paid", "stock.*"] }),
    );
    const later = await openSubscriptions(database, { eventNames: ["order.placed"] });
    const events = ["order.paid", "order.placed"];
    const after = await later.subscriptions.update(created.id, { events });
    expect(after.events).toEqual(events);
    await later.stop();
  });
});

describe.each(databases)("a request that is right on %s", (_, openDatabase) => {
  test("is stored and read back as it is, whatever its texts are", async () => {
    const database = await openDatabase();
    const { subscriptions, stop } = await openSubscriptions(database);
    const request = fc.record({
      label: text(200),
      events: fc.array(
        fc.array(text(20).map((it) => it.replaceAll(/[\s.*]/gu, "-"))).map((it) => it.join(".")),
        { minLength: 1, maxLength: 5 },
      ),
      destination: text(200),
      scope: text(200),
      filter: fc.dictionary(
        fc.string({ unit: "binary" }).map((it) => `data.${it}`),
        fc.jsonValue(),
      ),
      orderingKey: fc.constantFrom("$event", "order.id"),
      by: text(200),
    });
    await fc.assert(
      fc.asyncProperty(request, async ({ by, ...given }) => {
        const wanted = { ...newSubscription({ notifier: "queue" }), ...given };
        fc.pre(newSubscriptionSchema.safeParse(wanted).success);
        const { secret: _secret, ...created } = await subscriptions.create(wanted, { by });
        const stored = JSON.parse(JSON.stringify(wanted)) as typeof wanted;
        expect(created).toMatchObject({ ...stored, events: [...new Set(stored.events)] });
        expect(await subscriptions.get(created.id)).toEqual(created);
        const { items } = await subscriptions.list({ scope: given.scope, event: given.events[0] });
        expect(items.map(({ id }) => id)).toContain(created.id);
      }),
      { numRuns: 30, seed: 13 },
    );
    await stop();
    await database.close();
  });
});

describe("the schemas", () => {
  /** What the JSON Schema of a schema refers to: it has a name, under which OpenAPI has it as a component. */
  const jsonOf = (schema: z.ZodType): Record<string, unknown> => {
    const { $ref = "", $defs = {} } = z.toJSONSchema(schema, { io: "input" });
    return $defs[$ref.replace("#/$defs/", "")] as Record<string, unknown>;
  };

  test("say the same as JSON Schema", () => {
    for (const schema of [
      newSubscriptionSchema,
      subscriptionChangeSchema,
      subscriptionFilterSchema,
      retryPolicySchema,
    ]) {
      expect(jsonOf(schema)).toMatchObject({ description: expect.any(String) });
    }
    expect(jsonOf(newSubscriptionSchema)).toMatchObject({
      required: ["events", "destination"],
      additionalProperties: false,
      properties: {
        notifier: { default: "http", maxLength: 63 },
        secret: { writeOnly: true },
      },
    });
    const change = jsonOf(subscriptionChangeSchema);
    expect(change["required"]).toBeUndefined();
    expect(JSON.stringify(change["properties"])).not.toContain('"default":null');
  });

  test("take the same patterns as the bus, but for spaces", () => {
    const pattern = fc.array(fc.constantFrom("*", ".", "a", "**", "-", " "), { minLength: 1 });
    fc.assert(
      fc.property(pattern, (parts) => {
        const event = parts.join("");
        const { success } = subscriptionChangeSchema.safeParse({ events: [event] });
        expect(success).toBe(!event.includes(" ") && isPatternOfBus(event));
      }),
      { numRuns: 500 },
    );
  });

  test("give a change no defaults", () => {
    expect(subscriptionChangeSchema.parse({ label: null })).toEqual({ label: null });
  });
});
