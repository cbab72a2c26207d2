import { brokerHarness } from "./broker-harness.ts";
import type { Mistake } from "./broker-protocol.ts";
import { HASTY } from "./faulty.ts";
import type { Mutant } from "./mutants.ts";

/** For cases that take their time also where nothing is wrong. */
const PATIENCE: ReadonlyMap<Mistake, number> = new Map([
  ["acks what a dead worker had", 0.1],
  ["keeps no order once somebody declares none", 0.3],
  ["parks every failure once somebody parks them", 0.3],
  ["passes over what an earlier id declares", 0.3],
  ["keeps what a dead worker had", 0.1],
  ["acks what it hands over", 0.08],
  ["counts no crashes", 0.25],
  ["ends leases of those who live", 0.1],
  ["settles what another has in hand", 0.3],
  ["settles no delivery before all that it has in hand", 0.4],
  ["never sees an orphan", 0.1],
  ["does not count what it withholds", 0.1],
  ["acks what it has no code for", 0.5],
  ["keeps its socket", 0.1],
  ["counts no runs", 0.3],
  ["lets no group expire", 0.1],
  ["lets marked groups expire", 0.1],
  ["takes the time from its clients", 0.1],
  ["renews its leases by the wall clock", 0.1],
  ["retries in two steps", 0.3],
  ["forgets deduplicationIds with their connection", 0.2],
]);

/**
 * Milliseconds for which the broker is out of reach, for mistakes that only show in a connection that was made
 * meanwhile.
 */
const CUT_MS: ReadonlyMap<Mistake, number> = new Map([
  ["waits for ever for an answer to its greeting", 2_000],
]);

/** Of the durable provider of the tests; the cases kill real processes. */
export const durableMutants: readonly Mutant[] = [
  broker(
    "forgets on restart",
    "faults/restart-keeps",
    "faults/restart-keeps-groups",
    "faults/restart-under-load",
  ),
  broker("ignores namespaces", "namespaces/isolate"),
  broker("keeps no order once somebody declares none", "deploy-skew/ordering"),
  broker("parks every failure once somebody parks them", "deploy-skew/ordered-failure"),
  broker("passes over what an earlier id declares", "deploy-skew/renamed-policy"),
  broker(
    "acks what a dead worker had",
    "faults/kill-worker",
    "bus-batches/killed",
    "cancel/killed-processes",
  ),
  broker("acks what it hands over", "faults/kill-worker"),
  broker("keeps what a dead worker had", "faults/kill-worker", "rates/killed"),
  broker("counts no runs", "rates/bus"),
  broker("counts no crashes", "faults/five-crashes"),
  broker("settles no delivery before all that it has in hand", "faults/poison"),
  broker("ends leases of those who live", "faults/long-run"),
  broker("settles what another has in hand", "faults/late-settlement"),
  broker("never sees an orphan", "registry/orphaned", "to/orphaned"),
  broker("does not count what it withholds", "registry/withheld"),
  broker("gives a group to two claims", "groups/two-claims", "bus-groups/once"),
  broker("keeps what an interceptor dropped", "groups/fewer", "bus-groups/interceptors"),
  broker("forgets groups with their instance", "groups/survives", "bus-groups/survives"),
  broker("lets no group expire", "groups/ttl"),
  broker("lets marked groups expire", "groups/ttl"),
  broker("retries in two steps", "faults/kill-settling"),
  broker("forgets deduplicationIds with their connection", "faults/answer-lost"),
  broker("accepts before the broker has it", "fan-out/atomic", "faults/cut-under-load"),
  broker("does not reconnect", "faults/cut"),
  broker("consumes no more after a reconnect", "faults/restart-under-load"),
  broker("never notices silence", "faults/half-open"),
  broker("waits for ever for an answer to its greeting", "faults/broker-hangs"),
  broker("hangs in stop without a broker", "faults/stop-while-away"),
  broker("says it has started without a broker", "faults/away-at-start"),
  broker("reports no states", "faults/cut-reports"),
  broker(
    "filters by its own subscriptions",
    "basics/publish-elsewhere",
    "deploy-skew/two-releases",
  ),
  broker("acks what it has no code for", "deploy-skew/no-code"),
  broker("publishes nothing while a consumer closes", "bus-shutdown/emits-while-draining"),
  broker("gives up what it has to hand back", "bus-shutdown/hands-back", "bus-shutdown/cut-short"),
  broker(
    "keeps its socket",
    "lifecycle/process-exits",
    "lifecycle/no-handles",
    "bus-shutdown/keeps-alive",
  ),
  broker(
    "takes the time from its clients",
    "clocks/delay",
    "clocks/withheld",
    "clocks/dead-letters",
    "clocks/deduplication",
    "clocks/groups",
  ),
  broker("renews its leases by the wall clock", "clocks/long-run"),
  broker("tells its own time for that of the broker", "clocks/server-time"),
];

function broker(mistake: Mistake, ...caughtBy: readonly string[]): Mutant {
  const patience = PATIENCE.get(mistake) ?? 0.04;
  const cutMs = CUT_MS.get(mistake);
  return {
    mistake: `${mistake} (durable)`,
    caughtBy,
    harness: async () => ({
      ...(await brokerHarness(mistake)),
      timing: { ...HASTY, patience },
      load: { cutMs },
    }),
  };
}
