import { createEventBus, defineEvents } from "@busbar/core";
import { definePlugin, type Plugin } from "@busbar/core/plugin";
import { localProvider } from "@busbar/local";
import { expect, test } from "vitest";
import { z } from "zod";
import { type DevEntry, entryLine } from "../../src/dev/dev-entry.ts";
import { createRepeater } from "../../src/dev/twice.ts";
import { createWarnings, type Warnings } from "../../src/dev/warnings.ts";
import { watchEvents } from "../../src/dev/watch-events.ts";

const catalogue = defineEvents({ "order.placed": z.object({}), "order.paid": z.object({}) });

function warned(use: (warnings: Warnings) => void, slowMs = 100): string[] {
  const messages: string[] = [];
  use(
    createWarnings({
      warn: (message) => void messages.push(message),
      catalogue,
      declared: () => ["webhooks.delivery.dead"],
      slowMs,
    }),
  );
  return messages;
}

test("a name that nobody declares is named once, with the nearest one", () => {
  const messages = warned((warnings) => {
    for (const name of ["order.placed", "order.plaecd", "order.plaecd", "webhooks.delivery.dead"]) {
      warnings.emitted(name);
    }
  });
  expect(messages).toEqual([expect.stringContaining('"order.plaecd" is not in the catalogue')]);
  expect(messages[0]).toContain('"order.placed"');
});

test("a subscription to what nobody declares is named", () => {
  const messages = warned((warnings) => {
    warnings.subscribed([
      { subscriberId: "all", events: ["*", "order.*", "webhooks.**"] },
      { subscriberId: "mail", events: ["order.placed", "order.piad", "user.*"] },
    ]);
  });
  expect(messages).toEqual([
    expect.stringMatching(/^Subscription "mail" wants "order\.piad".*"order\.paid"/),
    expect.stringContaining('"user.*"'),
  ]);
});

test("a slow handler is named each time", () => {
  const messages = warned((warnings) => {
    for (const durationMs of [99, 100, undefined, 101.4, 250]) {
      warnings.ran("mail", "order.placed", durationMs);
    }
  });
  expect(messages.map((message) => /\d+ ms/.exec(message)?.[0])).toEqual(["101 ms", "250 ms"]);
});

test("an emit outside of a transaction is named if there is an outbox", async () => {
  const outbox: Plugin = definePlugin({ name: "outbox", staging: { stage: async () => {} } });
  const outside = async (plugins: Plugin[]): Promise<string[]> => {
    const messages: string[] = [];
    const repeater = createRepeater();
    const warn = (message: string): void => void messages.push(message);
    const warnings = createWarnings({
      warn,
      catalogue: undefined,
      declared: () => [],
      slowMs: 100,
    });
    const watch = watchEvents({ write: () => {}, warnings, repeater, root: "/" });
    const bus = createEventBus({ provider: localProvider(), plugins: [...plugins, watch] });
    await bus.start();
    await bus.emit("order.placed", {});
    await bus.emit({ name: "order.paid", data: {}, metadata: { eventGroupId: "group" } });
    if (plugins.length > 0) await bus.withTransaction({}).emit("user.created", {});
    await bus.stop();
    return messages;
  };
  expect(await outside([])).toEqual([]);
  expect(await outside([outbox])).toEqual([
    expect.stringMatching(/^The event "order\.placed" was emitted outside of a transaction/),
  ]);
});

test("an entry is one line, whatever its data holds", () => {
  const event = { id: "1", name: "order.placed" };
  const time = new Date(2026, 0, 1, 12, 0, 0);
  const line = (entry: DevEntry): string => entryLine(entry, time, (_, text) => text);
  expect(line({ type: "emitted", event, subscriptions: 0, data: { text: "a\n\u001B[31m" } })).toBe(
    '12:00:00 emitted   order.placed {"text":"a\\n\\u001b[31m"} (no subscription wants it)',
  );
  const run = { event, subscriberId: "mail", attempt: 1 };
  const failed = { ...run, type: "failed", attempts: 3, delayMs: 99.6, error: "a\nb" } as const;
  expect(line(failed)).toBe(
    "12:00:00 failed    order.placed to mail, attempt 1 of 3, runs again in 100 ms: a b",
  );
  expect(line({ type: "reloaded", added: ["a"], changed: [], removed: ["b", "c"] })).toBe(
    "12:00:00 reloaded  added a; removed b, c",
  );
});
