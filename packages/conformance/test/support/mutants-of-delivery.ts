import type { Envelope, JsonValue, Settlement } from "@busbar/core/provider";
import { ACK } from "../../src/builders.ts";
import { faulty, faultyDelivery, faultyFanOut } from "./faulty.ts";
import type { Mutant } from "./mutants.ts";

export const deliveryMutants: readonly Mutant[] = [
  {
    mistake: "hands over ten deliveries at a time at most",
    caughtBy: ["bus-batches/full"],
    harness: () =>
      faulty((inner) => ({
        consume: (spec, deliver) =>
          inner.consume({ ...spec, concurrency: Math.min(10, spec.concurrency) }, deliver),
      })),
  },
  {
    mistake: "retries what was in flight beside a failure",
    caughtBy: ["bus-batches/each-alone"],
    harness: () =>
      faultyDelivery((deliver) => {
        const inFlight = new Set<Promise<Settlement>>();
        return async (delivery) => {
          const own = deliver(delivery);
          inFlight.add(own);
          const settlement = await own;
          const retried = (await Promise.all(inFlight)).find(({ type }) => type === "retry");
          inFlight.delete(own);
          return settlement.type === "ack" && retried ? retried : settlement;
        };
      }),
  },
  {
    mistake: "drops one delivery in 500",
    caughtBy: ["basics/a-thousand", "batch/five-thousand"],
    harness: () => {
      let calls = 0;
      return faultyFanOut((channel, id, it) => {
        if (++calls % 500 !== 0) channel.emit(id, it);
      });
    },
  },
  {
    mistake: "delivers one event in 500 twice",
    caughtBy: ["basics/a-thousand", "batch/five-thousand"],
    harness: () => {
      let calls = 0;
      return faultyFanOut((channel, id, it) => {
        channel.emit(id, it);
        if (++calls % 500 === 0) channel.emit(id, it);
      });
    },
  },
  {
    mistake: "fans out to one of the subscriptions only",
    caughtBy: ["fan-out/two-subscriptions", "bus-delivery/isolated-failure"],
    harness: () => {
      const seen = new WeakSet<Envelope>();
      return faultyFanOut((channel, id, it) => {
        if (!seen.has(it)) channel.emit(id, it);
        seen.add(it);
      });
    },
  },
  {
    mistake: "fans out to the second subscription a little later",
    caughtBy: ["fan-out/atomic"],
    harness: () => {
      const seen = new WeakSet<Envelope>();
      return faultyFanOut((channel, id, it) => {
        if (seen.has(it)) setTimeout(() => channel.emit(id, it), 5);
        else channel.emit(id, it);
        seen.add(it);
      });
    },
  },
  {
    mistake: "acknowledges before the handler has ended",
    caughtBy: ["settlement/ack-after-handler", "lifecycle/stop-drains"],
    harness: () =>
      faultyDelivery((deliver) => async (delivery) => {
        void deliver(delivery).catch(() => {});
        return ACK;
      }),
  },
  {
    mistake: "acknowledges what ends unsettled",
    caughtBy: ["settlement/crash"],
    harness: () => faultyDelivery((deliver) => (it) => deliver(it).catch(() => ACK)),
  },
  {
    mistake: "takes a crash for a release",
    caughtBy: ["settlement/crash"],
    harness: () =>
      faultyDelivery((deliver) => (it) => deliver(it).catch(() => ({ type: "release" }))),
  },
  {
    mistake: "counts releases as crashes",
    caughtBy: ["settlement/release"],
    harness: () =>
      faultyDelivery((deliver) => async (it) => {
        const settlement = await deliver(it);
        if (settlement.type === "release") throw new Error("released");
        return settlement;
      }),
  },
  {
    mistake: "forgets the state of a retry",
    caughtBy: ["settlement/state", "bus-delivery/attempts"],
    harness: () =>
      faultyDelivery(
        (deliver) =>
          ({ envelope, crashes }) =>
            deliver({ envelope, crashes }),
      ),
  },
  {
    mistake: "keeps one state per event, not per subscription",
    caughtBy: ["settlement/state-per-subscription"],
    harness: () => {
      const states = new Map<string, JsonValue>();
      return faultyDelivery((deliver) => async (it) => {
        const state = states.get(it.envelope.id);
        const settlement = await deliver({ ...it, state });
        if (settlement.type === "retry") states.set(it.envelope.id, settlement.state);
        return settlement;
      });
    },
  },
  {
    mistake: "forgets the delay of a retry",
    caughtBy: ["settlement/retry-delay", "bus-delivery/backoff"],
    harness: () =>
      faultyDelivery((deliver) => async (it) => {
        const settlement = await deliver(it);
        return settlement.type === "retry" ? { ...settlement, delayMs: 0 } : settlement;
      }),
  },
  {
    mistake: "retries three times at most",
    caughtBy: ["settlement/retry"],
    harness: () => {
      const retries = new Map<string, number>();
      return faultyDelivery((deliver) => async (it) => {
        const settlement = await deliver(it);
        const count = (retries.get(it.envelope.id) ?? 0) + 1;
        retries.set(it.envelope.id, count);
        return settlement.type === "retry" && count > 3 ? ACK : settlement;
      });
    },
  },
  {
    mistake: "holds a slot while a retry waits",
    caughtBy: ["settlement/retry-holds-nothing"],
    harness: () =>
      faultyDelivery((deliver) => async (it) => {
        const settlement = await deliver(it);
        if (settlement.type === "retry") {
          await new Promise((resolve) => setTimeout(resolve, settlement.delayMs).unref());
        }
        return settlement;
      }),
  },
  {
    mistake: "forgets what is dead",
    caughtBy: ["settlement/dead", "bus-delivery/dead-after-one"],
    harness: () =>
      faultyDelivery((deliver) => async (it) => {
        const settlement = await deliver(it);
        return settlement.type === "dead" ? ACK : settlement;
      }),
  },
  {
    mistake: "repeats for all subscriptions what one of them retries",
    caughtBy: ["fan-out/own-settlement", "bus-delivery/isolated-failure"],
    harness: () =>
      faultyDelivery((deliver, _, inner) => async (it) => {
        const settlement = await deliver(it);
        if (settlement.type !== "retry") return settlement;
        await inner.publish([it.envelope], {
          deadline: performance.now() + 1_000,
          inHandler: true,
        });
        return ACK;
      }),
  },
  {
    mistake: "ignores concurrency",
    caughtBy: ["concurrency/never-exceeded", "concurrency/one-by-one"],
    harness: () =>
      faulty((inner) => ({
        consume: (spec, deliver) => inner.consume({ ...spec, concurrency: 1_000 }, deliver),
      })),
  },
  {
    mistake: "handles one at a time",
    caughtBy: ["concurrency/reached"],
    harness: () =>
      faulty((inner) => ({
        consume: (spec, deliver) => inner.consume({ ...spec, concurrency: 1 }, deliver),
      })),
  },
  {
    mistake: "shares five slots among all subscriptions",
    caughtBy: ["concurrency/slow-neighbour"],
    harness: () => {
      let free = 5;
      const waiting: (() => void)[] = [];
      return faultyDelivery((deliver) => async (it) => {
        if (free === 0) await new Promise<void>((resolve) => waiting.push(resolve));
        else free--;
        try {
          return await deliver(it);
        } finally {
          const next = waiting.shift();
          if (next) next();
          else free++;
        }
      });
    },
  },
];
