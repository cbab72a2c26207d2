import type { Entity, New, Table } from "./entities.ts";
import type { UnitOfWork } from "./unit-of-work.ts";

/** Runs work in a unit of work: in that of the caller, if there is one. */
export type InUnit = <T>(work: (unit: UnitOfWork) => Promise<T>) => Promise<T>;

/** Objects that are only made and changed: products, pages and blocks. */
export class Records<Row extends Entity> {
  readonly #table: Table<Row>;
  readonly #inUnit: InUnit;

  constructor(table: Table<Row>, inUnit: InUnit) {
    this.#table = table;
    this.#inUnit = inUnit;
  }

  /** Makes an object, and returns its id. */
  create(values: New<Row>): Promise<number> {
    return this.#inUnit(async (unit) => (await unit.add(this.#table, values)).id);
  }

  /** Changes members of an object. Nothing happens if they have these values already. */
  async update(id: number, changes: Partial<Omit<New<Row>, "storeId">>): Promise<void> {
    await this.#inUnit((unit) => unit.change(this.#table, id, changes as Partial<New<Row>>));
  }
}
