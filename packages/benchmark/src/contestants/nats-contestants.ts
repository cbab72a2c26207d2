import { Deliveries } from "../deliveries.ts";
import { startNatsServer } from "../nats-server.ts";
import type { Budget, Comparison, Contestant, Sample } from "../question.ts";
import { openBusbarNats } from "./busbar-nats.ts";
import { openJetStream } from "./jetstream.ts";
import type { NatsBus, NatsBusOptions, OpenNatsBus } from "./nats-bus.ts";

/** One way to ask a question. */
export interface NatsVariant {
  readonly label: string;
  readonly subscribers: number;
}

/** What a measurement on NATS has at hand: a server of its own, and buses on it. */
export interface NatsRun extends NatsVariant {
  readonly budget: Budget;
  readonly deliveries: Deliveries;
  /** The one who measures closes it. */
  readonly open: (role: NatsBusOptions["role"]) => Promise<NatsBus>;
}

/** Measures once. Its run fails unless each subscriber has handled each event once at the end. */
export type MeasureOnNats<Variant extends NatsVariant = NatsVariant> = (
  run: NatsRun & Variant,
) => Promise<Sample>;

type Side = readonly [id: string, label: string, open: OpenNatsBus];

const SIDES: readonly Side[] = [
  ["busbar", "Busbar", openBusbarNats(1)],
  ["busbar-4", "Busbar, 4 partitions", openBusbarNats(4)],
  ["jetstream", "JetStream by hand", openJetStream],
];

/** Everybody on NATS, side by side in each variant; Busbar compared with JetStream by hand. */
export function natsSides<Variant extends NatsVariant>(
  variants: readonly Variant[],
  measure: MeasureOnNats<Variant>,
): { readonly contestants: readonly Contestant[]; readonly comparisons: readonly Comparison[] } {
  return {
    contestants: variants.flatMap((variant) =>
      SIDES.map(([side, label, open]) => ({
        id: `${side}, ${variant.label}`,
        label: `${label}, ${variant.label}`,
        measure: (budget) => measureOnNats(open, variant, budget, measure),
      })),
    ),
    comparisons: variants.flatMap(({ label }) =>
      ["busbar", "busbar-4"].map((side) => ({
        of: `${side}, ${label}`,
        to: `jetstream, ${label}`,
      })),
    ),
  };
}

/** Handles what is queued, so that it is counted. */
export async function handleQueued(
  { deliveries, open }: NatsRun,
  events: number,
): Promise<{ readonly ms: number }> {
  const handled = deliveries.expect(events);
  const worker = await open("worker");
  const { firstAt, lastAt } = await handled;
  await worker.close();
  return { ms: lastAt - firstAt };
}

async function measureOnNats<Variant extends NatsVariant>(
  openBus: OpenNatsBus,
  variant: Variant,
  budget: Budget,
  measure: MeasureOnNats<Variant>,
): Promise<Sample> {
  const { url, close } = await startNatsServer();
  try {
    const deliveries = new Deliveries(variant.subscribers);
    const { handlers } = deliveries;
    const open = (role: NatsBusOptions["role"]) => openBus({ url, handlers, role });
    const sample = await measure({ ...variant, budget, deliveries, open });
    deliveries.verify();
    return sample;
  } finally {
    await close();
  }
}
