import { EventEmitter } from "node:events";
import type {
  ConsumeSpec,
  Delivery,
  Envelope,
  ProviderReport,
  PublishOptions,
  Settlement,
  SubscriptionSpec,
} from "../../src/contract/provider.ts";
import { silentLogger } from "../../src/contract/logger.ts";
import {
  createMemoryProvider,
  type MemoryProvider,
  type MemoryProviderOptions,
} from "../../src/memory/memory-provider.ts";
import { createManualClock, type ManualClock } from "../support/manual-clock.ts";

export const DAY_MS = 86_400_000;
export const ACK: Settlement = { type: "ack" };

export interface Harness {
  readonly provider: MemoryProvider;
  readonly clock: ManualClock;
  readonly reports: ProviderReport[];
  publish(...envelopes: Envelope[]): ReturnType<MemoryProvider["publish"]>;
  /** Publishes with a deadline in so many milliseconds. */
  publishWithin(ms: number, ...envelopes: Envelope[]): ReturnType<MemoryProvider["publish"]>;
}

type HarnessOptions = Partial<Omit<MemoryProviderOptions, "name">> & {
  readonly deadLetters?: { readonly maxPerSubscription: number; readonly maxAgeMs: number };
};

/** A started provider on a clock that stands still. */
export async function startProvider(options: HarnessOptions = {}): Promise<Harness> {
  const { deadLetters = { maxPerSubscription: 10_000, maxAgeMs: 30 * DAY_MS }, ...others } =
    options;
  const clock = createManualClock();
  const reports: ProviderReport[] = [];
  const channel = new EventEmitter();
  const provider = createMemoryProvider({ name: "memory", channel, ...others });
  await provider.start({
    logger: silentLogger,
    clock,
    namespace: "test",
    instanceId: "1",
    deadLetters,
    orphanedAfterMs: 7 * DAY_MS,
    report: (report) => void reports.push(report),
  });
  const publishWithin = (ms: number, ...envelopes: Envelope[]) => {
    const publishOptions: PublishOptions = { deadline: clock.monotonic() + ms, inHandler: false };
    return provider.publish(envelopes, publishOptions);
  };
  return {
    provider,
    clock,
    reports,
    publishWithin,
    publish: (...envelopes) => publishWithin(10_000, ...envelopes),
  };
}

export function envelope(id: string, members: Partial<Envelope> = {}): Envelope {
  const metadata = { created_at: 0, published_at: 0, correlationId: id };
  return { id, name: "order.placed", data: null, metadata, ...members };
}

/** Envelopes with the ids `<prefix>1` to `<prefix><count>`. */
export function envelopes(count: number, prefix = "", members: Partial<Envelope> = {}): Envelope[] {
  return Array.from({ length: count }, (_, index) => envelope(`${prefix}${index + 1}`, members));
}

export function subscription(
  subscriptionId: string,
  members: Partial<SubscriptionSpec> = {},
): SubscriptionSpec {
  return {
    subscriptionId,
    events: ["order.placed"],
    ordering: "none",
    onOrderedFailure: "park",
    aliases: [],
    ...members,
  };
}

export function consumer(subscriptionId: string, members: Partial<ConsumeSpec> = {}): ConsumeSpec {
  return { ...subscription(subscriptionId), concurrency: 10, ...members };
}

/** A delivery that is in hand, and the means to settle it. */
export interface Run extends Delivery {
  readonly id: string;
  settle(settlement: Settlement): void;
  crash(): void;
}

/** A handler whose runs last until the test settles them. */
export function openRuns() {
  const runs: Run[] = [];
  const started: string[] = [];
  const deliver = (delivery: Delivery): Promise<Settlement> =>
    new Promise((resolve, reject) => {
      const { id } = delivery.envelope;
      started.push(id);
      const done = () => void runs.splice(runs.indexOf(run), 1);
      const run: Run = {
        ...delivery,
        id,
        settle: (settlement) => (done(), resolve(settlement)),
        crash: () => (done(), reject(new Error("crash"))),
      };
      runs.push(run);
    });
  const run = (id: string): Run => {
    const found = runs.find((it) => it.id === id);
    if (!found) throw new Error(`${id} is not in hand, but ${runs.map((it) => it.id).join()}`);
    return found;
  };
  return {
    /** Ids of all hand-overs, in order. */
    started,
    /** Ids in hand. */
    get inHand() {
      return runs.map((it) => it.id);
    },
    run,
    deliver,
  };
}

/** A handler that acknowledges at once, and the ids that it has got. */
export function acknowledging() {
  const seen: string[] = [];
  const deliver = async ({ envelope: { id } }: Delivery): Promise<Settlement> => {
    seen.push(id);
    return ACK;
  };
  return { seen, deliver };
}

export const DEAD: Settlement = { type: "dead", reason: "failed", state: { attempts: 1 } };

export function retry(delayMs: number, state: Delivery["state"] = null): Settlement {
  return { type: "retry", delayMs, state: state ?? null };
}
