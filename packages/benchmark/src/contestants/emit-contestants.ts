import { ACCEPTED, HANDLED, type Batch, HandlerCount, measureBatches } from "../measure-batches.ts";
import { orderAt } from "../order.ts";
import type { Contestant, Metric } from "../question.ts";
import { openBusbar } from "./busbar.ts";
import { openEmittery } from "./emittery.ts";
import { openEventEmitter3 } from "./event-emitter3.ts";
import { openFloor } from "./floor.ts";
import { openMedusa } from "./medusa.ts";

/** A bus with its subscribers, ready for events. */
export interface OpenBus {
  /** Emits one event; with `await`, the way its users would. */
  readonly emitOne: (index: number) => unknown;
  /** Emits that many events in one call, or as close to that as it comes. */
  readonly emitMany: () => Promise<unknown>;
}

/** What a bus is opened with. */
export interface OpenOptions {
  /** One function for each subscriber. */
  readonly handlers: readonly (() => Promise<void>)[];
  /** How many events `emitMany` emits. */
  readonly manyCount: number;
  /** The data of the event with an index. */
  readonly dataAt: (index: number) => unknown;
}

/** What is measured of an emit. */
export const emitMetrics: readonly Metric[] = [
  { id: ACCEPTED, label: "until emit resolves" },
  { id: HANDLED, label: "until all handlers ran" },
];

/** How a question uses a bus. */
export interface EmitPlan {
  readonly subscribers: number;
  /** Events in one batch. */
  readonly events: number;
  readonly run: (bus: OpenBus) => Promise<unknown>;
  /** The data of the event with an index: an order, if not said otherwise. */
  readonly dataAt?: (index: number) => unknown;
}

/** Everybody who takes part in questions about emits, doing as `plan` says. */
export function emitContestants(plan: EmitPlan): readonly Contestant[] {
  const contestant = (
    id: string,
    label: string,
    open: (options: OpenOptions) => OpenBus | Promise<OpenBus>,
  ): Contestant => ({
    id,
    label,
    measure: async (budget) => {
      const count = new HandlerCount();
      const handlers = Array.from({ length: plan.subscribers }, count.createHandler);
      const { events: manyCount, dataAt = orderAt } = plan;
      const bus = await open({ handlers, manyCount, dataAt });
      const batch: Batch = {
        size: plan.events,
        handlerRuns: plan.events * plan.subscribers,
        run: async () => void (await plan.run(bus)),
      };
      return measureBatches(batch, count, budget);
    },
  });
  return [
    contestant("busbar", "Busbar", (options) => openBusbar("copy", options)),
    contestant("busbar-none", 'Busbar, isolation: "none"', (options) =>
      openBusbar("none", options),
    ),
    contestant("floor", "floor", openFloor),
    contestant("medusa", "Medusa event-bus-local", openMedusa),
    contestant("emittery", "emittery", openEmittery),
    contestant("eventemitter3", "eventemitter3, no bus at all", openEventEmitter3),
  ];
}

/** How many events {@link oneByOneContestants} emit in a batch. */
const ONE_BY_ONE = 1_000;

/** Everybody, emitting one event after the other and awaiting each. */
export function oneByOneContestants(
  plan: Pick<EmitPlan, "subscribers" | "dataAt">,
): readonly Contestant[] {
  const run = async (bus: OpenBus): Promise<void> => {
    for (let index = 0; index < ONE_BY_ONE; index++) await bus.emitOne(index);
  };
  return emitContestants({ ...plan, events: ONE_BY_ONE, run });
}
