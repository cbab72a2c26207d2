import type { RedisBus } from "./contestants/redis-bus.ts";
import { handleQueued, type MeasureOnRedis } from "./contestants/redis-contestants.ts";
import { type EmitPlan, measureEmits } from "./measure-emits.ts";

/** Measures emits on Redis, while nobody handles. */
export function measureRedisEmits(plan: EmitPlan<RedisBus>): MeasureOnRedis {
  return (run) => measureEmits(run, plan, (events) => handleQueued(run, events));
}
