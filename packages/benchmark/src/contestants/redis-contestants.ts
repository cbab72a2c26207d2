import { Deliveries } from "../deliveries.ts";
import { type Order, orderAt } from "../order.ts";
import type { Budget, Comparison, Contestant, Sample } from "../question.ts";
import { type RedisServer, startRedisServer } from "../redis-server.ts";
import { openBullMq } from "./bullmq.ts";
import { openBusbarRedis } from "./busbar-redis.ts";
import { openMedusaRedis } from "./medusa-redis.ts";
import type { OpenRedisBus, RedisBus, RedisBusOptions } from "./redis-bus.ts";
import { openRedisStreams } from "./redis-streams.ts";

/** One way to ask a question. */
export interface RedisVariant {
  /** What distinguishes it from others; may be empty where there is but one. */
  readonly label: string;
  readonly subscribers: number;
  /** How many events each subscriber handles at a time. */
  readonly concurrency: number;
  /** How many times as fast as Medusa the project wants to be. */
  readonly atLeast?: number;
  /** How many times as fast as the limit of packing. */
  readonly ofLimit?: number;
}

/** What a measurement on Redis has at hand: a server of its own, and buses on it. */
export interface RedisRun extends RedisVariant {
  readonly budget: Budget;
  readonly server: RedisServer;
  readonly deliveries: Deliveries;
  /** The one who measures closes it. */
  readonly open: (role: RedisBusOptions["role"]) => Promise<RedisBus>;
}

/** Measures once. Its run fails unless each subscriber has handled each event once at the end. */
export type MeasureOnRedis = (run: RedisRun) => Promise<Sample>;

type Side = readonly [id: string, label: string, open: OpenRedisBus];

const SIDES: readonly Side[] = [
  ["busbar", "Busbar", openBusbarRedis],
  ["medusa", "Medusa event-bus-redis", openMedusaRedis],
  ["bullmq", "BullMQ", openBullMq],
  ["streams", "Redis Streams", openRedisStreams(1)],
];
/** Differs from the one before in `emitMany` only. */
const LIMIT: Side = ["packs", "Redis Streams, packs of 50", openRedisStreams(50)];

/** Events in one call of `emitMany`. */
export const MANY = 1_000;

/** That many orders for `emitMany`. */
export function orders(count: number): readonly Order[] {
  return Array.from({ length: count }, (_, index) => orderAt(index));
}

/**
 * Everybody on Redis, side by side in each variant; the others compared with Busbar.
 *
 * @param emits Whether `emitMany` is used, or `emitOne`.
 */
export function redisSides(
  emits: "one" | "many",
  variants: readonly RedisVariant[],
  measure: MeasureOnRedis,
): { readonly contestants: readonly Contestant[]; readonly comparisons: readonly Comparison[] } {
  const sides = emits === "many" ? [...SIDES, LIMIT] : SIDES;
  return {
    contestants: variants.flatMap((variant) =>
      sides.map(([side, label, open]) => ({
        id: idOf(side, variant),
        label: variant.label === "" ? label : `${label}, ${variant.label}`,
        measure: (budget) => measureOnRedis(open, variant, budget, measure),
      })),
    ),
    comparisons: variants.flatMap((variant) =>
      sides.slice(1).map(([side]) => ({
        of: idOf("busbar", variant),
        to: idOf(side, variant),
        ...targetOf(side, variant),
      })),
    ),
  };
}

function targetOf(side: string, { atLeast, ofLimit }: RedisVariant): { atLeast?: number } {
  const target = side === "medusa" ? atLeast : side === LIMIT[0] ? ofLimit : undefined;
  return target === undefined ? {} : { atLeast: target };
}

/** One who takes part in a question on Redis. */
export function contestantOnRedis(
  [id, label, open]: Side,
  variant: RedisVariant,
  measure: MeasureOnRedis,
): Contestant {
  return { id, label, measure: (budget) => measureOnRedis(open, variant, budget, measure) };
}

/** Busbar alone. */
export function busbarOnRedis(variant: RedisVariant, measure: MeasureOnRedis): Contestant {
  return {
    id: "busbar",
    label: "Busbar",
    measure: (budget) => measureOnRedis(openBusbarRedis, variant, budget, measure),
  };
}

function idOf(side: string, { label }: RedisVariant): string {
  return label === "" ? side : `${side}, ${label}`;
}

/** Busbar and Medusa, side by side in each variant. */
export function busbarAndMedusa<T extends RedisVariant>(
  variants: readonly T[],
  measure: (run: RedisRun, variant: T) => Promise<Sample>,
): { readonly contestants: readonly Contestant[]; readonly comparisons: readonly Comparison[] } {
  const sides = SIDES.slice(0, 2);
  return {
    contestants: variants.flatMap((variant) =>
      sides.map(([side, label, open]) => ({
        id: idOf(side, variant),
        label: `${label}, ${variant.label}`,
        measure: (budget) => measureOnRedis(open, variant, budget, (run) => measure(run, variant)),
      })),
    ),
    comparisons: variants.map((variant) => ({
      of: idOf("busbar", variant),
      to: idOf("medusa", variant),
      ...(variant.atLeast !== undefined && { atLeast: variant.atLeast }),
    })),
  };
}

async function measureOnRedis(
  openBus: OpenRedisBus,
  variant: RedisVariant,
  budget: Budget,
  measure: MeasureOnRedis,
): Promise<Sample> {
  const server = await startRedisServer();
  try {
    const deliveries = new Deliveries(variant.subscribers);
    const sample = await measure({
      ...variant,
      budget,
      server,
      deliveries,
      open: (role) =>
        openBus({
          url: server.url,
          handlers: deliveries.handlers,
          concurrency: variant.concurrency,
          role,
        }),
    });
    deliveries.verify();
    return sample;
  } finally {
    await server.close();
  }
}

/** Handles what is queued, so that it is counted. */
export async function handleQueued(
  { deliveries, open }: RedisRun,
  events: number,
): Promise<{ readonly ms: number }> {
  const handled = deliveries.expect(events);
  const worker = await open("worker");
  const { firstAt, lastAt } = await handled;
  await worker.close();
  return { ms: lastAt - firstAt };
}
