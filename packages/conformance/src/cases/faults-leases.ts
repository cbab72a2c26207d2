import assert from "node:assert/strict";
import type { Settlement } from "@busbar/core/provider";
import { ACK, consumer, dead, envelope, RELEASE, retry, subscription } from "../builders.ts";
import type { CaseContext } from "../case-context.ts";
import { type ConformanceCase, defineCases } from "../conformance-case.ts";
import { all, durable, stopsProcesses, tellsLateSettlements } from "../requirements.ts";

/** What another has made of a delivery, when the one who had it first comes back. */
type Fate = "held" | "acked" | "retried" | "dead";

const FATES: Readonly<Record<Fate, Settlement | "hold">> = {
  held: "hold",
  acked: ACK,
  retried: retry(600_000, { by: 2 }),
  dead: dead("in time", { by: 2 }),
};

/** What the first one says then. */
const LATE: readonly Settlement[] = [ACK, retry(0, { by: 1 }), dead("late", { by: 1 }), RELEASE];

interface Contested {
  readonly id: string;
  readonly fate: Fate;
  readonly late: Settlement;
}

/** Every fate with every late settlement. */
function contested({ capabilities }: CaseContext): readonly Contested[] {
  const fates = (Object.keys(FATES) as Fate[]).filter(
    (fate) => capabilities.retryDelay || fate !== "retried",
  );
  return fates.flatMap((fate) =>
    LATE.map((late) => ({ id: `${fate}, then ${late.type}`, fate, late })),
  );
}

export const leaseFaults: readonly ConformanceCase[] = defineCases("faults", [
  {
    id: "late-settlement",
    name: "a worker that stands still for too long, goes on and settles late changes nothing",
    promise: "contract: what a process leaves goes to others, and lateSettlements",
    when: all(durable, stopsProcesses, tellsLateSettlements),
    limitMs: ({ redeliverAfterMs }) => 30_000 + 4 * redeliverAfterMs,
    async run(context) {
      const deliveries = contested(context);
      const ids = deliveries.map(({ id }) => id);
      const idsOf = (fate: Fate): readonly string[] =>
        deliveries.filter((it) => it.fate === fate).map(({ id }) => id);
      const spec = consumer("mail", { concurrency: ids.length });
      const instance = await context.start();
      await instance.declare(subscription("mail"), subscription("life", { events: ["life"] }));
      const worker = await context.child();
      await worker.consume(spec, "all");
      await worker.consume(consumer("life", { events: ["life"] }), []);
      await instance.publish(...ids.map((id) => envelope(id)));
      await worker.received(ids.length);
      worker.pause();
      const inbox = await instance.consume(spec, (handover) => {
        const { fate = "acked" } = deliveries.find(({ id }) => id === handover.id) ?? {};
        const settlement = FATES[fate];
        return settlement === "hold" ? handover.settled : settlement;
      });
      await inbox.has(ids);
      const numbers = {
        ready: 0,
        delayed: idsOf("retried").length,
        inFlight: idsOf("held").length,
        dead: idsOf("dead").length,
      };
      await instance.hasStats("mail", numbers);

      await worker.resumed(...deliveries.map(({ id, late }) => [id, late] as const));
      // Once it works again and has ended, its settlements have been heard, or never will be.
      await instance.publish(envelope("alive", { name: "life" }));
      await worker.received(ids.length + 1);
      await worker.stopAndExit(2_000);
      await instance.nothingMore(inbox);
      await instance.showsStats("mail", numbers, "as before");
      assert.equal(inbox.ids.length, ids.length + 1, "each comes once, and the marker");
      assert.equal(worker.delivered.length, ids.length + 1, "and none to the first one again");

      // What is in flight is still the holder's, who has the last word.
      for (const id of idsOf("held")) inbox.last(id).settle(dead("in time", { by: 2 }));
      const letters = await instance.hasDead("mail", idsOf("dead").length + idsOf("held").length);
      for (const { reason, state } of letters) {
        assert.deepEqual([reason, state], ["in time", { by: 2 }], "it died once, and in time");
      }
      // Pending deliveries can be found, and not only counted.
      await instance.registry.retire("mail", { backlog: "dead-letter" });
      const all = await instance.hasDead("mail", letters.length + idsOf("retried").length);
      assert.deepEqual(
        all.map((letter) => letter.envelope.id).toSorted(),
        [...idsOf("dead"), ...idsOf("held"), ...idsOf("retried")].toSorted(),
      );
    },
  },
]);
