import { EVENT_NAME, type Order } from "../order.ts";
import { connectToRedis, type RedisClient } from "./ioredis.ts";
import type { OpenRedisBus } from "./redis-bus.ts";

const STREAM = "events";
/** Events that one read takes. */
const READ = 50;
/** How long a read waits for the first one. */
const WAIT_MS = 100;
/** A stream keeps what was acknowledged: it is cut at about that many entries, read or not. */
const MAX_ENTRIES = 1_000_000;

type Handler = (order: Order) => Promise<void>;

/**
 * What one writes by hand on Redis Streams: an entry in one stream for all, and one consumer group
 * for each subscriber. No retries, delays, priorities or dead letters, and what a consumer had read
 * that died is not taken over: it is a limit, not a bus.
 *
 * @param pack Events of one `emitMany` that share an entry.
 */
export function openRedisStreams(pack: number): OpenRedisBus {
  return async ({ url, handlers, concurrency, role }) => {
    const client = connectToRedis(url);
    const groups = handlers.map((_, index) => `subscriber-${index}`);
    for (const group of groups) await createGroup(client, group);
    const consumers =
      role === "server"
        ? []
        : handlers.map((handler, index) =>
            startConsumer(connectToRedis(url), {
              group: groups[index] as string,
              handler,
              concurrency,
              entries: READ / pack,
            }),
          );
    return {
      emitOne: (order) => client.xadd(...entryOf([order])),
      emitMany: async (orders) => {
        const pipeline = client.pipeline();
        for (let start = 0; start < orders.length; start += pack) {
          pipeline.xadd(...entryOf(orders.slice(start, start + pack)));
        }
        for (const [error] of await pipeline.exec()) if (error !== null) throw error;
      },
      close: async () => {
        await Promise.all(consumers.map((consumer) => consumer.close()));
        client.disconnect();
      },
    };
  };
}

function entryOf(orders: readonly Order[]): readonly (string | number)[] {
  const fields = ["name", EVENT_NAME, "data", JSON.stringify(orders)];
  return [STREAM, "MAXLEN", "~", MAX_ENTRIES, "*", ...fields];
}

async function createGroup(client: RedisClient, group: string): Promise<void> {
  try {
    await client.xgroup("CREATE", STREAM, group, "0", "MKSTREAM");
  } catch (error) {
    if (!String(error).includes("BUSYGROUP")) throw error;
  }
}

interface ConsumerOptions {
  readonly group: string;
  readonly handler: Handler;
  readonly concurrency: number;
  /** Entries that one read takes. */
  readonly entries: number;
}

function startConsumer(
  client: RedisClient,
  { group, handler, concurrency, entries: count }: ConsumerOptions,
): { close(): Promise<void> } {
  let open = true;
  const run = async (): Promise<void> => {
    let acknowledged: Promise<unknown> = Promise.resolve();
    while (open) {
      // The acknowledgement of what was read before is on its way, ahead in the same connection.
      const reply = await client.xreadgroup(
        "GROUP",
        group,
        "consumer",
        "COUNT",
        count,
        "BLOCK",
        WAIT_MS,
        "STREAMS",
        STREAM,
        ">",
      );
      await acknowledged;
      const entries = reply?.[0]?.[1] ?? [];
      if (entries.length === 0) continue;
      const orders = entries.flatMap(([, fields]) => JSON.parse(fields[3] as string) as Order[]);
      await handleAll(orders, handler, concurrency);
      acknowledged = client.xack(STREAM, group, ...entries.map(([id]) => id));
    }
    await acknowledged;
    client.disconnect();
  };
  const running = run();
  return {
    close: () => {
      open = false;
      return running;
    },
  };
}

async function handleAll(
  orders: readonly Order[],
  handler: Handler,
  concurrency: number,
): Promise<void> {
  let next = 0;
  const handleNext = async (): Promise<void> => {
    for (let order = orders[next++]; order !== undefined; order = orders[next++]) {
      await handler(order);
    }
  };
  await Promise.all(Array.from({ length: Math.min(concurrency, orders.length) }, handleNext));
}
