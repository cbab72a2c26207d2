import type { ProviderContext, Timer } from "@busbar/core/provider";
import { boardTidying } from "./board/board.ts";
import type { Database } from "./database.ts";
import { createGroupStatements } from "./groups/group-statements.ts";

/** Milliseconds between two rounds, on average. */
const EVERY_MS = 30_000;
/** Rows that one statement deletes at most: a longer one would keep others from their rows. */
const AT_ONCE = 10_000;

/** Packs that one round looks at: a crash leaves few, and nobody waits for their room. */
const PACKS_AT_ONCE = 1_000;

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
    `DELETE FROM ${table("deduplications")} WHERE ctid = ANY (ARRAY(SELECT ctid FROM ${table("deduplications")}
      WHERE until <= ${now} LIMIT ${AT_ONCE} FOR UPDATE SKIP LOCKED)) RETURNING 1 AS one`,
    ...createGroupStatements(database).tidy,
    ...boardTidying(database),
  ];
  // Packs whose last process ended between the settlement and the deletion.
  const leftPacks = `
    WITH some_packs AS MATERIALIZED (
      SELECT id FROM ${table("packs")} WHERE id > CAST($1 AS bigint) ORDER BY id LIMIT ${PACKS_AT_ONCE}),
    gone AS (DELETE FROM ${table("packs")} AS it WHERE id = ANY (ARRAY(SELECT id FROM some_packs))
      AND NOT EXISTS (SELECT FROM ${table("deliveries")} WHERE pack = it.id))
    SELECT CAST(max(id) AS text) AS last FROM some_packs`;
  let lastPack = "0";
  let isClosed = false;
  let round = Promise.resolve();
  let timer: Timer | undefined;

  async function tidy(): Promise<void> {
    try {
      for (const statement of statements) {
        let found = AT_ONCE;
        while (found === AT_ONCE && !isClosed) found = (await database.execute(statement)).length;
      }
      const [row] = await database.execute(leftPacks, [lastPack]);
      lastPack = (row?.["last"] as string | null) ?? "0";
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
