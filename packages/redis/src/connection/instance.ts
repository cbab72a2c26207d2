import type { Cluster, Redis } from "ioredis";

/** Whether a value is a client of ioredis, of whichever copy of it, and not options for one. */
export function isInstance(value: unknown): value is Redis | Cluster {
  return (
    typeof value === "object" &&
    value !== null &&
    ["connect", "disconnect", "duplicate"].every(
      (method) => typeof (value as Record<string, unknown>)[method] === "function",
    )
  );
}

/** Whether a value is a client of ioredis for Redis Cluster. */
export function isClusterInstance(value: unknown): value is Cluster {
  return isInstance(value) && value.isCluster;
}
