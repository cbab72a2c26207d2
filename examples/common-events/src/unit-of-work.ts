import { isDeepStrictEqual } from "node:util";
import type { SqlExecutor, SqlRow } from "@busbar/sql";
import type { WebhookPublisher } from "@busbar/webhooks";
import type { Entity, New, Table } from "./entities.ts";
import type { CommonEventArgs, CommonEventName } from "./events.ts";

/** An object that a unit of work has read or made. */
interface Tracked {
  readonly table: Table<Entity>;
  /** The object at the beginning of the unit. Undefined if the unit made it. */
  readonly before: Entity | undefined;
  /** The object as it is to be. */
  after: Entity;
  /** The object as the database has it. */
  stored: Entity;
  /** Events about the object that are no change of it. */
  readonly occurred: Set<CommonEventName>;
}

/**
 * The changes of one transaction. It compares each object at its end with the same object at its beginning. So whatever
 * happens in between, an event is published at most once for an object, and only if the object is different now.
 */
export class UnitOfWork {
  readonly #sql: SqlExecutor;
  readonly #now = new Date().toISOString();
  readonly #tracked = new Map<string, Tracked>();

  constructor(sql: SqlExecutor) {
    this.#sql = sql;
  }

  /** Stores a new object, and returns it with its id. */
  async add<Row extends Entity>(table: Table<Row>, values: New<Row>): Promise<Row> {
    const { storeId, ...data } = values;
    const [row] = await this.#sql.execute(
      `INSERT INTO ${table.name} (store_id, created_at, updated_at, data)
       VALUES ($1, $2, $2, $3) RETURNING *`,
      [storeId, this.#now, JSON.stringify(data)],
    );
    const added = rowOf<Row>(row as SqlRow);
    this.#track(table, undefined, added);
    return added;
  }

  /** Returns an object. It must be there. */
  async get<Row extends Entity>(table: Table<Row>, id: number): Promise<Row> {
    const known = this.#tracked.get(keyOf(table, id));
    if (known) return known.after as Row;
    const found = await findById(this.#sql, table, id);
    if (!found) throw new Error(`There is no ${id} in ${table.name}`);
    // Another call may have read it meanwhile, and changed it.
    if (!this.#tracked.has(keyOf(table, id))) this.#track(table, found, found);
    return this.#tracked.get(keyOf(table, id))?.after as Row;
  }

  /** Changes members of an object, and returns the object. */
  async change<Row extends Entity>(
    table: Table<Row>,
    id: number,
    changes: Partial<New<Row>>,
  ): Promise<Row> {
    await this.get(table, id);
    const tracked = this.#tracked.get(keyOf(table, id)) as Tracked;
    // As the database will have it: without members that are undefined.
    const after = JSON.parse(JSON.stringify({ ...tracked.after, ...changes })) as Row;
    tracked.after = after;
    return after;
  }

  /** Notes that something has happened to an object which is no change of it. */
  async note(table: Table<Entity>, id: number, event: CommonEventName): Promise<void> {
    await this.get(table, id);
    this.#tracked.get(keyOf(table, id))?.occurred.add(event);
  }

  /** Writes what has changed and is not written yet. Returns how the database is read within the transaction. */
  async write(): Promise<SqlExecutor> {
    for (const tracked of this.#tracked.values()) {
      const { before, stored, table } = tracked;
      if (isChanged(tracked)) tracked.after = { ...tracked.after, updatedAt: this.#now };
      else if (before) tracked.after = before;
      if (isDeepStrictEqual(tracked.after, stored)) continue;
      const { id, storeId, createdAt: _, updatedAt, ...data } = tracked.after;
      await this.#sql.execute(
        `UPDATE ${table.name} SET store_id = $2, updated_at = $3, data = $4 WHERE id = $1`,
        [id, storeId, updatedAt, JSON.stringify(data)],
      );
      tracked.stored = tracked.after;
    }
    return this.#sql;
  }

  /** Publishes the events of all changes, in the same transaction. */
  async publish(publisher: WebhookPublisher<CommonEventArgs>): Promise<void> {
    for (const tracked of this.#tracked.values()) {
      const { table, before, after, occurred } = tracked;
      const events = isChanged(tracked) ? table.eventsOf(before, after) : [];
      for (const event of new Set([...events, ...occurred])) {
        // The events of an object arrive in their order; subscriptions of its store and of all stores get them.
        const options = { scope: after.storeId, orderingKey: keyOf(table, after.id) };
        await publisher.publish(event, { id: after.id }, options);
      }
    }
  }

  #track(table: Table<Entity>, before: Entity | undefined, now: Entity): void {
    const tracked = {
      table,
      before,
      after: now,
      stored: now,
      occurred: new Set<CommonEventName>(),
    };
    this.#tracked.set(keyOf(table, now.id), tracked);
  }
}

/** Reads one object, if it is there. */
export async function findById<Row extends Entity>(
  sql: SqlExecutor,
  table: Table<Row>,
  id: number,
): Promise<Row | undefined> {
  const [row] = await sql.execute(`SELECT * FROM ${table.name} WHERE id = $1`, [id]);
  return row && rowOf<Row>(row);
}

/** Reads the objects one of whose members has a value, oldest first. */
export async function findBy<Row extends Entity>(
  sql: SqlExecutor,
  table: Table<Row>,
  member: keyof Row & string,
  value: string | number,
): Promise<readonly Row[]> {
  const rows = await sql.execute(
    `SELECT * FROM ${table.name} WHERE json_extract(data, '$.${member}') = $1 ORDER BY id`,
    [value],
  );
  return rows.map((row) => rowOf<Row>(row));
}

/** Whether an object is different, or new. When it was changed last is no difference. */
function isChanged({ before, after }: Tracked): boolean {
  return !before || !isDeepStrictEqual({ ...after, updatedAt: before.updatedAt }, before);
}

function keyOf(table: Table<Entity>, id: number): string {
  return `${table.name}/${id}`;
}

function rowOf<Row extends Entity>(row: SqlRow): Row {
  const { id, store_id: storeId, created_at: createdAt, updated_at: updatedAt, data } = row;
  return { id, storeId, createdAt, updatedAt, ...JSON.parse(data as string) } as Row;
}
