import { admin } from "./cases/admin.ts";
import { atOnce } from "./cases/at-once.ts";
import { basics } from "./cases/basics.ts";
import { batch } from "./cases/batch.ts";
import { busBatches } from "./cases/bus-batches.ts";
import { busDelivery } from "./cases/bus-delivery.ts";
import { busEmit } from "./cases/bus-emit.ts";
import { busIsolation } from "./cases/bus-isolation.ts";
import { busShutdown } from "./cases/bus-shutdown.ts";
import { busSubscriptions } from "./cases/bus-subscriptions.ts";
import { busGroups } from "./cases/bus-groups.ts";
import { cancel } from "./cases/cancel.ts";
import { clocks } from "./cases/clocks.ts";
import { closing } from "./cases/closing.ts";
import { backPressure, concurrency } from "./cases/concurrency.ts";
import { deduplication } from "./cases/deduplication.ts";
import { fanOut } from "./cases/fan-out.ts";
import { brokerFaults } from "./cases/faults-broker.ts";
import { leaseFaults } from "./cases/faults-leases.ts";
import { loadFaults } from "./cases/faults-load.ts";
import { processFaults } from "./cases/faults-processes.ts";
import { fidelity } from "./cases/fidelity.ts";
import { groupClaims } from "./cases/group-claims.ts";
import { knownGroups } from "./cases/group-known.ts";
import { groups } from "./cases/groups.ts";
import { capabilities, namespaces, probe } from "./cases/honesty.ts";
import { identity } from "./cases/identity.ts";
import { leftovers } from "./cases/leftovers.ts";
import { lifecycle } from "./cases/lifecycle.ts";
import { ordering } from "./cases/ordering.ts";
import { rates } from "./cases/rates.ts";
import { registry } from "./cases/registry.ts";
import { operate } from "./cases/operate.ts";
import { retiring } from "./cases/retiring.ts";
import { routing } from "./cases/routing.ts";
import { schedules } from "./cases/schedules.ts";
import { settlement } from "./cases/settlement.ts";
import { skew } from "./cases/skew.ts";
import { named } from "./cases/targets.ts";
import { delay, priority } from "./cases/timing.ts";
import { transactions } from "./cases/transactions.ts";
import type { ConformanceCase } from "./conformance-case.ts";

/** Every case for a provider, in the order in which they run. */
export const providerCases: readonly ConformanceCase[] = [
  ...basics,
  ...fidelity,
  ...identity,
  ...fanOut,
  ...routing,
  ...settlement,
  ...batch,
  ...atOnce,
  ...ordering,
  ...delay,
  ...priority,
  ...clocks,
  ...deduplication,
  ...concurrency,
  ...backPressure,
  ...closing,
  ...lifecycle,
  ...leftovers,
  ...registry,
  ...retiring,
  ...admin,
  ...operate,
  ...schedules,
  ...transactions,
  ...cancel,
  ...named,
  ...groups,
  ...groupClaims,
  ...knownGroups,
  ...rates,
  ...probe,
  ...capabilities,
  ...namespaces,
  ...busEmit,
  ...busSubscriptions,
  ...busDelivery,
  ...busBatches,
  ...busIsolation,
  ...busGroups,
  ...busShutdown,
  ...processFaults,
  ...leaseFaults,
  ...brokerFaults,
  ...loadFaults,
  ...skew,
];
