import { createEventBus, type EventBus } from "@busbar/core";
import { localProvider } from "@busbar/local";
import { expect, onTestFinished, test } from "vitest";
import type { DevEntry } from "../../src/dev/dev-entry.ts";
import { createRepeater } from "../../src/dev/twice.ts";
import { createWarnings } from "../../src/dev/warnings.ts";
import { watchEvents } from "../../src/dev/watch-events.ts";

/** A bus as `busbar dev --twice` makes it, and what it writes. */
function devBus(): { bus: EventBus; entries: DevEntry[]; lines: () => string[] } {
  const entries: DevEntry[] = [];
  const write = (entry: DevEntry): void => void entries.push(entry);
  const repeater = createRepeater();
  const warnings = createWarnings({
    warn: (message) => write({ type: "warning", message }),
    catalogue: undefined,
    declared: () => [],
    slowMs: 1_000,
  });
  const bus = createEventBus({
    provider: repeater.wrap(localProvider()),
    plugins: [watchEvents({ write, warnings, repeater, root: import.meta.dirname })],
    logger: false,
  });
  onTestFinished(() => bus.stop());
  const lines = (): string[] =>
    entries.map((it) => {
      if (it.type === "warning") return `warning ${it.message}`;
      if (it.type === "reloaded") return "reloaded";
      const again = it.type === "delivered" && it.again ? " again" : "";
      return `${it.type}${again} ${it.event.name}`;
    });
  return { bus, entries, lines };
}

test("a delivery that succeeds is delivered once more, and each subscription on its own", async () => {
  const { bus, lines } = devBus();
  const seen: string[] = [];
  bus.subscribe("order.placed", ({ id }) => void seen.push(`a ${id}`), { subscriberId: "a" });
  bus.subscribe("order.placed", ({ id }) => void seen.push(`b ${id}`), { subscriberId: "b" });
  await bus.start();
  const [id] = await bus.emit("order.placed", {});
  await bus.stop();
  expect(seen.toSorted()).toEqual([`a ${id}`, `a ${id}`, `b ${id}`, `b ${id}`]);
  expect(lines()[0]).toBe("emitted order.placed");
  expect(lines().filter((line) => line === "delivered again order.placed")).toHaveLength(2);
});

test("a handler whose second delivery fails is not safe to repeat", async () => {
  const { bus, entries } = devBus();
  const paid = new Set<string>();
  bus.subscribe<{ orderId: string }>(
    "order.placed",
    ({ data }) => {
      if (paid.has(data.orderId)) throw new Error("the order is paid already");
      paid.add(data.orderId);
    },
    { subscriberId: "pay" },
  );
  await bus.start();
  await bus.emit("order.placed", { orderId: "42" });
  await bus.stop();
  expect(entries.map(({ type }) => type)).toEqual([
    "emitted",
    "delivered",
    "failed",
    "warning",
    "dead",
  ]);
  expect(entries[2]).toMatchObject({
    at: expect.stringMatching(/^twice\.test\.ts:\d+:\d+$/) as string,
  });
  expect(entries[3]).toEqual({
    type: "warning",
    message:
      'Subscription "pay" is not safe to repeat: the first delivery of "order.placed" succeeded, and the second failed: the order is paid already',
  });
});

test("a handler that emits again is not safe to repeat, unless the event is the same", async () => {
  const { bus, lines } = devBus();
  const policy = (subscriberId: string) => ({ subscriberId });
  bus.subscribe("order.placed", () => void bus.emit("order.paid", {}), policy("careless"));
  bus.subscribe(
    "order.placed",
    ({ id }) => void bus.emit("receipt.sent", {}, { deduplicationId: id }),
    policy("careful"),
  );
  bus.subscribe(["order.paid", "receipt.sent"], () => {}, policy("audit"));
  await bus.start();
  await bus.emit("order.placed", {});
  await bus.settled();
  await bus.stop();
  expect(
    lines()
      .filter((line) => line.startsWith("emitted"))
      .toSorted(),
  ).toEqual([
    "emitted order.paid",
    "emitted order.paid",
    "emitted order.placed",
    "emitted receipt.sent",
  ]);
  expect(lines().filter((line) => line.startsWith("warning"))).toEqual([
    'warning Subscription "careless" is not safe to repeat: it emitted "order.paid" again. Emit it with a deduplicationId, or with the inbox',
  ]);
});

test("what fails is not delivered twice at once", async () => {
  const { bus, lines } = devBus();
  let runs = 0;
  bus.subscribe(
    "order.placed",
    () => {
      runs += 1;
      if (runs === 1) throw new Error("busy");
    },
    { subscriberId: "a", attempts: 2 },
  );
  await bus.start();
  await bus.emit("order.placed", {});
  await bus.stop();
  expect(lines()).toEqual([
    "emitted order.placed",
    "failed order.placed",
    "delivered order.placed",
    "delivered again order.placed",
  ]);
});
