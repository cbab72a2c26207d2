import type { Logger } from "@busbar/core";
import { systemClock, type Timer } from "@busbar/core/provider";
import type { SqlExecutor, SqlRow, SqlStore } from "@busbar/sql";
import { OwnWork, type Sql, sqlOf } from "@busbar/sql/feature";
import {
  attemptDocument,
  type DocumentSource,
  payloadDocument,
  snapshotDocument,
  termRows,
} from "./documents.ts";

/** Rows that are indexed in one transaction at most, and characters of what they have. */
const MOST_ROWS = 100;
const MOST_CHARACTERS = 4_000_000;
/** Milliseconds between two looks for new rows while there are none. */
const LOOK_EVERY_MS = 500;
/** Milliseconds before the next try when the database has failed. */
const AGAIN_AFTER_MS = 2_000;

/** A table that is indexed. */
interface Source {
  readonly table: string;
  /** Its primary key. */
  readonly key: string;
  /** The columns that are indexed. */
  readonly texts: readonly string[];
  /** The documents of a row. */
  readonly documents: (row: SqlRow) => readonly DocumentSource[];
}

const SOURCES: readonly Source[] = [
  {
    table: "busbar_webhook_events",
    key: "number",
    texts: ["payload", "snapshot"],
    documents: (row) => {
      const number = Number(row["number"]);
      return [
        { document: payloadDocument(number), payload: textOf(row["payload"]) },
        { document: snapshotDocument(number), payload: textOf(row["snapshot"]) },
      ];
    },
  },
  {
    table: "busbar_webhook_attempts",
    key: "id",
    texts: ["payload", "error", "response"],
    documents: (row) => [
      {
        document: attemptDocument(Number(row["id"])),
        payload: textOf(row["payload"]),
        error: textOf(row["error"]),
        response: textOf(row["response"]),
      },
    ],
  },
];

/**
 * Keeps the search index: a row that the router or the dispatcher has written is indexed soon afterwards, by any one of
 * the processes. A search covers rows that are not indexed yet by looking into them.
 */
export class LogIndex {
  readonly #own: OwnWork<unknown>;
  readonly #sql: Sql;
  #timer: Timer | undefined;
  #endPause: (() => void) | undefined;
  #round: Promise<void> = Promise.resolve();
  #isStopped = false;

  constructor(store: SqlStore) {
    this.#own = new OwnWork(store);
    this.#sql = sqlOf(store);
  }

  /** Indexes new rows from now on, in the background. */
  start(logger: Logger): void {
    if (this.#isStopped) return;
    this.#round = this.#indexGently().then(
      () => this.#again(logger, LOOK_EVERY_MS),
      (err: unknown) => {
        logger.warn({ err }, "The search index cannot be renewed yet");
        this.#again(logger, AGAIN_AFTER_MS);
      },
    );
  }

  /** Ends the work in the background. Resolves when the transaction under way has ended. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#timer?.cancel();
    this.#endPause?.();
    await this.#round;
  }

  /** Indexes the rows that are not indexed yet, at once. Resolves with how many there were. */
  async indexNew(): Promise<number> {
    let count = 0;
    for (const source of SOURCES) {
      for (let part = -1; part !== 0; count += part) {
        part = await this.#own.transaction((own) => this.#indexPart(own, source));
      }
    }
    return count;
  }

  /**
   * Makes the whole index anew, a part at a time and in a bounded memory. Searches go on meanwhile. Resolves with how
   * many rows were indexed.
   *
   * @param isStopped Asked between two transactions.
   */
  async rebuild(isStopped: () => boolean = () => false): Promise<number> {
    let count = 0;
    for (const source of SOURCES) {
      let after = 0;
      while (!isStopped()) {
        const keys = await this.#own.transaction((own) => this.#rebuildPart(own, source, after));
        const last = keys.at(-1);
        if (last === undefined) break;
        after = last;
        count += keys.length;
      }
    }
    return count;
  }

  /** Indexes new rows, and leaves at least half of the time to others: with SQLite they share a thread. */
  async #indexGently(): Promise<void> {
    for (const source of SOURCES) {
      for (let part = -1; part !== 0 && !this.#isStopped;) {
        const start = performance.now();
        part = await this.#own.transaction((own) => this.#indexPart(own, source));
        if (part > 0) await this.#pause(performance.now() - start);
      }
    }
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#endPause = resolve;
      this.#timer = systemClock.setTimeout(resolve, Math.ceil(ms));
    });
  }

  #again(logger: Logger, afterMs: number): void {
    if (this.#isStopped) return;
    this.#timer = systemClock.setTimeout(() => this.start(logger), afterMs);
  }

  async #indexPart(own: SqlExecutor, source: Source): Promise<number> {
    const keys = await this.#part(own, source, "indexed = 0", this.#sql.skipLocked);
    await this.#index(own, source, keys);
    return keys.length;
  }

  async #rebuildPart(own: SqlExecutor, source: Source, after: number): Promise<readonly number[]> {
    const lock = this.#sql.dialect === "postgres" ? "FOR UPDATE" : "";
    const keys = await this.#part(own, source, `${source.key} > ${after}`, lock);
    if (keys.length === 0) return keys;
    const documents = keys.flatMap((key) =>
      source.documents({ [source.key]: key }).map(({ document }) => document),
    );
    await deleteDocuments(own, this.#sql, documents);
    await this.#index(own, source, keys);
    return keys;
  }

  /** The keys of the first rows that meet a condition: no more than fit into the memory. */
  async #part(
    own: SqlExecutor,
    { table, key, texts }: Source,
    condition: string,
    lock: string,
  ): Promise<readonly number[]> {
    const size = texts.map((name) => `coalesce(length(${name}), 0)`).join(" + ");
    const rows = await own.execute(
      `SELECT ${key} AS row_key, ${size} AS size FROM ${this.#sql.table(table)}
        WHERE ${condition} ORDER BY ${key} LIMIT ${MOST_ROWS} ${lock}`,
    );
    const keys: number[] = [];
    let characters = 0;
    for (const row of rows) {
      characters += Number(row["size"]);
      if (keys.length > 0 && characters > MOST_CHARACTERS) break;
      keys.push(Number(row["row_key"]));
    }
    return keys;
  }

  async #index(own: SqlExecutor, source: Source, keys: readonly number[]): Promise<void> {
    if (keys.length === 0) return;
    const { table, list, rows } = this.#sql;
    const these = `${source.key} IN ${list("$1", "bigint")}`;
    const found = await own.execute(
      `SELECT ${[source.key, ...source.texts].join(", ")} FROM ${table(source.table)} WHERE ${these}`,
      [JSON.stringify(keys)],
    );
    // In the order of the index by terms: then what is next to each other there is written at once.
    const terms = found
      .flatMap((row) => source.documents(row).flatMap(termRows))
      .toSorted((a, b) => compare(a.path, b.path) || compare(a.term, b.term));
    const columns = { document: "bigint", path: "text", term: "text", amount: "text" } as const;
    await own.execute(
      `INSERT INTO ${table("busbar_webhook_terms")} (document, path, term, amount)
        SELECT document, path, term, CAST(amount AS double precision)
        FROM ${rows("$1", columns)} AS it WHERE true ORDER BY position
        ON CONFLICT DO NOTHING`,
      [JSON.stringify(terms.map((row, position) => ({ position, ...row })))],
    );
    await own.execute(`UPDATE ${table(source.table)} SET indexed = 1 WHERE ${these}`, [
      JSON.stringify(keys),
    ]);
  }
}

/** Deletes documents from the index: of events or attempts that are deleted. */
export async function deleteDocuments(
  own: SqlExecutor,
  { table, list }: Sql,
  documents: readonly number[],
): Promise<void> {
  await own.execute(
    `DELETE FROM ${table("busbar_webhook_terms")} WHERE document IN ${list("$1", "bigint")}`,
    [JSON.stringify(documents)],
  );
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

function textOf(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}
