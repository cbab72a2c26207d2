import { expectTypeOf, test } from "vitest";
import { z } from "zod";
import type { BusNotices, DeadReason } from "../../src/contract/notices.ts";
import type { EventProvider } from "../../src/contract/provider.ts";
import { createEventBus } from "../../src/event-bus.ts";
import { defineEvents } from "../../src/events/define-events.ts";

declare const provider: EventProvider;
const bus = createEventBus({ provider });
const events = defineEvents({ "order.placed": z.object({ total: z.number() }) });
const typed = createEventBus({ provider, events });

test("a listener gets the notice of its name, on a bus with and without a catalogue", () => {
  const ends = [
    bus.on("dead", (notice) => void expectTypeOf(notice).toEqualTypeOf<BusNotices["dead"]>()),
    typed.on("dead", ({ reason }) => void expectTypeOf(reason).toEqualTypeOf<DeadReason>()),
    typed.on("state", async ({ status }) => {
      expectTypeOf(status).toEqualTypeOf<"up" | "degraded" | "down">();
    }),
  ];
  expectTypeOf(ends).toEqualTypeOf<(() => void)[]>();
  bus.on("failed", ({ attempts, delayMs, durationMs }) => {
    expectTypeOf(attempts).toEqualTypeOf<number>();
    expectTypeOf(delayMs).toEqualTypeOf<number | undefined>();
    expectTypeOf(durationMs).toEqualTypeOf<number | undefined>();
  });
});

test("a name that no notice has does not compile, nor does data that notices do not hold", () => {
  // @ts-expect-error -- there is no such notice
  bus.on("died", () => {});
  // @ts-expect-error -- notices hold no payloads
  bus.on("emitted", ({ event }) => event.data);
});
