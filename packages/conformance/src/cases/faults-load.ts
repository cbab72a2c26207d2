import assert from "node:assert/strict";
import type { ProviderCapabilities } from "@busbar/core/provider";
import type { CaseContext } from "../case-context.ts";
import { type ConformanceCase, defineCases } from "../conformance-case.ts";
import type { FullLoad } from "../fault-load.ts";
import { all, connected, durable, restartable } from "../requirements.ts";
import { EMIT_TIMEOUT_MS, putUnderLoad } from "../under-load.ts";
import { pause } from "../waiting.ts";
import { cut, halfOpen, heal } from "./broken-connection.ts";

const NOTHING_LOST = "guarantee: nothing is lost silently";
const RECONNECTS = "contract: it reconnects by itself for ever";

/** Milliseconds in which even a slow broker has carried one event of the load. */
const PER_EVENT_MS = 20;

function limitMs({ redeliverAfterMs }: ProviderCapabilities, load: FullLoad): number {
  const brokenMs = 2 * load.cutMs + load.halfOpenMs;
  return 90_000 + 4 * redeliverAfterMs + PER_EVENT_MS * load.events + brokenMs;
}

/** A broker that is broken while many emit. Every event has to reach every subscription. */
export const loadFaults: readonly ConformanceCase[] = defineCases("faults", [
  {
    id: "restart-under-load",
    name: "a broker that restarts at a third, at half and at two thirds of the events loses none",
    promise: `${NOTHING_LOST}; ${RECONNECTS}`,
    when: all(durable, restartable),
    alone: true,
    limitMs,
    async run(context) {
      const load = await putUnderLoad(context);
      const happen = async (): Promise<void> => {
        await context.waiting.for("the restart of the broker", restart(context));
      };
      await load.emitAll({ at: 1 / 3, happen }, { at: 1 / 2, happen }, { at: 2 / 3, happen });
      await load.account("3 restarts");
    },
  },
  {
    id: "cut-under-load",
    name: "a connection that is cut for a while at half of the events loses none",
    promise: `${NOTHING_LOST}; ${RECONNECTS}`,
    when: all(durable, connected),
    alone: true,
    limitMs,
    async run(context) {
      const { cutMs } = context.load;
      const load = await putUnderLoad(context);
      const happen = async (): Promise<void> => {
        await cut(context);
        await pause(cutMs);
        await heal(context);
      };
      await load.emitAll({ at: 1 / 2, happen });
      await load.account(`cut for ${cutMs} ms`);
    },
  },
  {
    id: "half-open",
    name: "connections that have gone silent are noticed, and replaced, and nothing is lost",
    promise: RECONNECTS,
    when: all(durable, connected),
    alone: true,
    limitMs,
    async run(context) {
      const { halfOpenMs } = context.load;
      const load = await putUnderLoad(context);
      let from = 0;
      const happen = async (): Promise<void> => {
        await halfOpen(context);
        from = performance.now();
        // Only a connection that is new carries this one.
        await load.emit();
        const noticedMs = Math.round(performance.now() - from);
        context.report(`an emit was accepted ${noticedMs} ms after its connection had gone silent`);
      };
      await load.emitAll({ at: 1 / 3, happen });
      // Emitters and workers have connections of their own: all are replaced while it lasts.
      await load.handled();
      const handledMs = Math.round(performance.now() - from);
      await pause(halfOpenMs - handledMs);
      await load.emit();
      await load.handled();
      await heal(context);
      await load.emit();
      await load.account(
        `silent for ${Math.round(performance.now() - from)} ms, all handled after ${handledMs} ms`,
      );
    },
  },
  {
    id: "broker-hangs",
    name: "a broker that hangs, also for new connections, is waited out, and nothing is lost",
    promise: `guarantee: emit never hangs; ${RECONNECTS}`,
    when: all(durable, connected),
    alone: true,
    limitMs,
    async run(context) {
      const { cutMs } = context.load;
      const load = await putUnderLoad(context);
      let hungMs = 0;
      const happen = async (): Promise<void> => {
        const from = performance.now();
        await halfOpen(context, { newConnections: "silent" });
        const emit = load.emitter.emit({ id: "during", name: "nobody.cares", data: 0 });
        await assert.rejects(
          context.waiting.for("an emit while the broker hangs", emit),
          (error: { readonly code?: string }) =>
            /^BUSBAR_(EMIT_TIMEOUT|UNAVAILABLE)$/.test(error.code ?? ""),
        );
        const tookMs = performance.now() - from;
        assert.ok(tookMs < EMIT_TIMEOUT_MS + context.ms(1_500), `it took ${tookMs} ms`);
        await pause(cutMs - tookMs);
        await heal(context);
        hungMs = Math.round(performance.now() - from);
      };
      await load.emitAll({ at: 1 / 2, happen });
      await load.account(`a broker that hung for ${hungMs} ms`);
    },
  },
]);

async function restart({ faults }: CaseContext): Promise<void> {
  await faults.restart?.();
}
