import type { ProviderContext, Timer } from "@busbar/core/provider";
import type { Database } from "../database.ts";

/** Milliseconds for which packs are collected. */
const COLLECT_MS = 50;
/** Packs that one statement deletes at most. */
const MOST_PACKS = 1_000;

/** Deletes the packs that all subscriptions are done with. */
export interface FinishedPacks {
  /** Looks at packs of which a row has gone, soon. */
  add(packs: readonly number[]): void;
  /** Looks at what is left, and resolves when that has ended. */
  close(): Promise<void>;
}

/**
 * Makes the deletion of packs. It looks when the rows have gone. If two processes finish a pack at the same moment, the
 * later one sees that it was the last. What a crash leaves is for the tidying.
 */
export function createFinishedPacks(
  { clock, logger }: Pick<ProviderContext, "clock" | "logger">,
  database: Database,
): FinishedPacks {
  const { table, idIn } = database;
  const statement = `DELETE FROM ${table("packs")} AS it WHERE ${idIn("$1")}
    AND NOT EXISTS (SELECT FROM ${table("deliveries")} WHERE pack = it.id)`;
  const packs = new Set<number>();
  let underWay: Promise<void> | undefined;
  let timer: Timer | undefined;

  async function work(): Promise<void> {
    while (packs.size > 0) {
      const some = [...packs].slice(0, MOST_PACKS);
      for (const pack of some) packs.delete(pack);
      try {
        await database.execute(statement, [JSON.stringify(some)], { isFrequent: true });
      } catch (err) {
        logger.debug({ err }, "Finished packs could not be deleted yet");
      }
    }
    underWay = undefined;
  }

  return {
    add(some) {
      for (const pack of some) packs.add(pack);
      if (!underWay) {
        timer ??= clock.setTimeout(() => {
          timer = undefined;
          underWay ??= work();
        }, COLLECT_MS);
      }
    },
    async close() {
      timer?.cancel();
      await (underWay ??= work());
    },
  };
}
