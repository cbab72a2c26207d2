import type { ProviderContext, Timer } from "@busbar/core/provider";
import { boardTidying } from "./board/board.ts";
import type { Database } from "./database.ts";
import { createGroupStatements } from "./groups/group-statements.ts";

/** Milliseconds between two rounds, on average. */
const EVERY_MS = 30_000;
/** Rows that one statement deletes at most: a longer one would keep others from their rows. */
const AT_ONCE = 10_000;

/** Deletes what nobody needs any more, from time to time. */
export interface Tidying {
  /** Ends the rounds. Resolves when the round under way has ended. */
  close(): Promise<void>;
}

/** Starts to tidy. Processes do it at random times: what one has deleted, the next does not find. */
export function startTidying(
  { clock, logger }: Pick<ProviderContext, "clock" | "logger">,
  database: Database,
): Tidying {
  const { table, now } = database;
  const statements = [
    // Envelopes that all their subscriptions are done with.
    `DELETE FROM ${table("events")} WHERE id = ANY (ARRAY(SELECT id FROM ${table("events")} AS it
      WHERE NOT EXISTS (SELECT FROM ${table("deliveries")} WHERE event = it.id) LIMIT ${AT_ONCE}
      FOR UPDATE SKIP LOCKED)) RETURNING 1 AS one`,
    `DELETE FROM ${table("deduplications")} WHERE ctid = ANY (ARRAY(SELECT ctid FROM ${table("deduplications")}
      WHERE until <= ${now} LIMIT ${AT_ONCE} FOR UPDATE SKIP LOCKED)) RETURNING 1 AS one`,
    ...createGroupStatements(database).tidy,
    ...boardTidying(database),
  ];
  let isClosed = false;
  let round = Promise.resolve();
  let timer: Timer | undefined;

  async function tidy(): Promise<void> {
    try {
      for (const statement of statements) {
        let found = AT_ONCE;
        while (found === AT_ONCE && !isClosed) found = (await database.execute(statement)).length;
      }
    } catch (err) {
      logger.debug({ err }, "Old rows could not be deleted yet");
    }
    next();
  }

  function next(): void {
    if (isClosed) return;
    timer = clock.setTimeout(
      () => {
        round = tidy();
      },
      EVERY_MS * (0.5 + Math.random()),
    );
  }

  next();
  return {
    async close() {
      isClosed = true;
      timer?.cancel();
      await round;
    },
  };
}
