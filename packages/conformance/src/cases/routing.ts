import assert from "node:assert/strict";
import { consumer, envelope } from "../builders.ts";
import type { CaseContext } from "../case-context.ts";
import { type ConformanceCase, defineCases } from "../conformance-case.ts";

const RULE = "bus: names match exactly, by pattern, or * for everything";

const NAMES: readonly string[] = [
  "order",
  "order.placed",
  "order.placed.eu",
  "order.placed.eu.north",
  "orders.placed",
  "order_placed",
  "orderXplaced",
  "Order.Placed",
  "shop.order.placed",
];

/** Insists that a subscription of these events gets exactly those names. */
async function routes(
  context: CaseContext,
  events: readonly string[],
  expected: readonly string[],
): Promise<void> {
  const instance = await context.start();
  const inbox = await instance.consume(consumer("mail", { events: [...events, "marker"] }));
  const results = await instance.publish(...NAMES.map((name) => envelope(name, { name })));
  assert.deepEqual(
    NAMES.filter((_, index) => {
      const result = results[index];
      return result?.status === "accepted" && result.subscriptions > 0;
    }),
    expected,
    "publish counts the subscription for the names that fit",
  );
  await inbox.has(expected);
  await instance.nothingMore(inbox, "marker");
  const received = inbox.ids.filter((id) => !id.startsWith("marker"));
  assert.deepEqual(received.toSorted(), [...expected].toSorted());
}

export const routing: readonly ConformanceCase[] = defineCases("routing", [
  {
    id: "exact",
    name: "a name fits itself only",
    promise: RULE,
    run: (context) => routes(context, ["order.placed"], ["order.placed"]),
  },
  {
    id: "one-segment",
    name: "order.* fits one more segment",
    promise: RULE,
    run: (context) => routes(context, ["order.*"], ["order.placed"]),
  },
  {
    id: "inner-segment",
    name: "a * in the middle fits exactly one segment",
    promise: RULE,
    run: (context) => routes(context, ["order.*.eu"], ["order.placed.eu"]),
  },
  {
    id: "more-segments",
    name: "order.** fits one or more segments",
    promise: RULE,
    run: (context) =>
      routes(context, ["order.**"], ["order.placed", "order.placed.eu", "order.placed.eu.north"]),
  },
  {
    id: "everything",
    name: "* fits every name",
    promise: RULE,
    run: (context) => routes(context, ["*"], NAMES),
  },
  {
    id: "overlap",
    name: "a subscription whose patterns overlap gets an event once",
    promise: "bus: one subscriberId is one subscription",
    run: (context) => routes(context, ["order.*", "order.placed", "*"], NAMES),
  },
  {
    id: "new-names",
    name: "a pattern fits names that were first published after it was declared",
    promise: RULE,
    async run(context) {
      const instance = await context.start();
      const inbox = await instance.consume(consumer("mail", { events: ["cart.*"] }));
      const ids = Array.from({ length: 50 }, (_, index) => `cart.${index}`);
      await instance.publish(...ids.map((id) => envelope(id, { name: id })));
      await inbox.has(ids);
    },
  },
]);
