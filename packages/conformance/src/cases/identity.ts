import assert from "node:assert/strict";
import { carries } from "../carries.ts";
import type { Envelope } from "@busbar/core/provider";
import { ACK, asJson, consumer, dead, envelope, EVENT, RELEASE, retry } from "../builders.ts";
import type { CaseContext } from "../case-context.ts";
import type { Handover } from "../inbox.ts";
import { has } from "../requirements.ts";
import { type ConformanceCase, defineCases } from "../conformance-case.ts";

/** What stands around the data of an envelope. */
export const identity: readonly ConformanceCase[] = defineCases("fidelity", [
  {
    id: "metadata",
    name: "metadata that the provider does not know arrives as it was",
    promise: "contract: unknown members of metadata pass through untouched",
    async run(context) {
      const metadata = {
        created_at: 1_700_000_000_001,
        published_at: 1_700_000_000_002,
        correlationId: "correlation",
        causationId: "cause",
        traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        tenant: { id: 7, üñí: ["🎉", null] },
      };
      await carries(context, envelope("1", { metadata }));
    },
  },
  {
    id: "members",
    name: "every member of an envelope comes back",
    promise: "contract: policy is read by the bus and carried by the provider",
    run: (context) => carries(context, wholeEnvelope(context)),
  },
  {
    id: "comes-again",
    name: "whatever makes it come again, an envelope comes back as it was published",
    promise: "contract: an Envelope arrives as it is, by every hand-over and as a dead letter",
    when: has("admin"),
    async run(context) {
      const again = [
        () => retry(0, { runs: 1 }),
        (handover: Handover) => {
          handover.crash();
          return handover.settled;
        },
        () => RELEASE,
        () => dead(),
      ];
      const instance = await context.start();
      const inbox = await instance.consume(
        consumer("mail"),
        (handover, nth) => again[nth - 1]?.(handover) ?? ACK,
      );
      const sent = wholeEnvelope(context);
      await instance.publish(sent);
      const [letter] = await instance.hasDead("mail", 1);
      assert.ok(letter);
      assert.deepEqual(asJson(letter.envelope), asJson(sent), "as a dead letter");
      await instance.admin.replayDead("mail", [letter.id]);
      await inbox.received(again.length + 1);
      const { length } = inbox.handovers;
      for (const [index, { delivery }] of inbox.handovers.entries()) {
        assert.deepEqual(asJson(delivery.envelope), asJson(sent), `${index + 1} of ${length}`);
      }
    },
  },
  {
    id: "any-id",
    name: "any string of 1 to 255 characters is an id",
    promise: "contract: Envelope.id",
    async run(context) {
      const numbers = ["123", "0", "-1", "1e3"];
      const separators = ["a:b", "a:b:c", "{x}", "{x}y", " ", "a b", "a/b", "../x", "%00", "a\nb"];
      const quotes = ["'", '"', "--", "\\", "*", "a*"];
      const names = ["__proto__", "constructor", "null", "🎉", "ü/ñ"];
      const long = ["x".repeat(255), "🎉".repeat(127)];
      const ids = [numbers, separators, quotes, names, long].flat();
      await carries(context, ...ids.map((id) => envelope(id)));
    },
  },
  {
    id: "id-twice",
    name: "two events with one id are both delivered",
    promise: "bus: ids identify; only deduplicationId deduplicates",
    async run(context) {
      const instance = await context.start();
      const inbox = await instance.consume(consumer("mail"));
      await instance.publish(envelope("1", { data: "first" }), envelope("1", { data: "second" }));
      await instance.publish(envelope("1", { data: "third" }));
      await inbox.received(3);
      const received = inbox.handovers.map(({ delivery }) => delivery.envelope.data);
      assert.deepEqual(received.map(String).toSorted(), ["first", "second", "third"]);
    },
  },
  {
    id: "odd-names",
    name: "event names with odd characters are routed and arrive as they were",
    promise: "contract: names are any characters but spaces and *",
    async run(context) {
      const names = [
        "größe.geändert",
        "🎉",
        "a:b",
        "{x}.y",
        "%s",
        "order-placed_1",
        "a/b",
        "__proto__",
      ];
      await carries(context, ...names.map((name, index) => envelope(`name-${index}`, { name })));
    },
  },
  {
    id: "odd-subscriptions",
    name: "subscription ids with odd characters are subscriptions of their own",
    promise: "bus: ids are 1–200 printable characters",
    async run(context) {
      const ids = [
        "123",
        "a:b",
        "a:b:c",
        "{x}",
        "a b",
        "🎉",
        "__proto__",
        `${EVENT}#anonymous`,
        "../a",
        "%",
        "A",
        "a",
      ];
      ids.push("x".repeat(200));
      const instance = await context.start();
      const inboxes = [];
      for (const id of ids) {
        inboxes.push(
          await instance.consume(consumer(id, { events: [EVENT, `to.${ids.indexOf(id)}`] })),
        );
      }
      const [all] = await instance.publish(envelope("all"));
      assert.deepEqual(all, { status: "accepted", subscriptions: ids.length });
      await instance.publish(
        ...ids.map((_, index) => envelope(`${index}`, { name: `to.${index}` })),
      );
      for (const [index, inbox] of inboxes.entries()) {
        await inbox.has(["all", `${index}`]);
        await inbox.idle();
        assert.deepEqual(inbox.ids.toSorted(), [`${index}`, "all"]);
      }
    },
  },
]);

/** With every member that the provider can carry. */
function wholeEnvelope({ capabilities }: CaseContext): Envelope {
  const { ordering, priority, deduplication, delay } = capabilities;
  return envelope("1", {
    metadata: {
      created_at: 1_700_000_000_001,
      published_at: 1_700_000_000_002,
      correlationId: "correlation",
      traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    },
    policy: {
      attempts: 3,
      backoff: { type: "exponential", delay: 10, jitter: 0.5, maxDelay: 1_000 },
      internal: true,
      byDefault: ["attempts"],
      dueAt: 1_700_000_000_003,
    },
    providerOptions: { someOption: { nested: true } },
    ...(ordering && { orderingKey: "key: ü/1" }),
    ...(priority && { priority: 7 }),
    ...(deduplication && { deduplicationId: "dedup: ü/1" }),
    ...(delay && { delayMs: 1 }),
  });
}
