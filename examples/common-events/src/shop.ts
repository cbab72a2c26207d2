import type { SqlStore } from "@busbar/sql";
import type { Content, Product, ShopApi } from "./api.ts";
import { Customers } from "./customers.ts";
import { Database, type EventPublisher } from "./database.ts";
import { tables } from "./entities.ts";
import { Orders } from "./orders.ts";
import { type InUnit, Records } from "./records.ts";
import { StoredApi } from "./stored-api.ts";

/** A small shop on SQLite. */
export interface Shop {
  readonly customers: Customers;
  readonly orders: Orders;
  readonly products: Records<Product>;
  readonly pages: Records<Content>;
  readonly blocks: Records<Content>;
  /**
   * Makes one unit of work of everything that `work` does: all of it, or nothing if `work` rejects. Each event is
   * published at most once for each object.
   */
  transaction<T>(work: () => Promise<T>): Promise<T>;
}

/** The two sides of a shop: what answers, and what changes something and publishes events. */
export interface OpenedShop {
  /** What clients and resolvers read. */
  readonly api: ShopApi;
  /** Makes the side that changes something, which publishes by way of `publisher`. */
  readonly publishingTo: (publisher: EventPublisher) => Shop;
}

/** Opens the shop in a SQLite database, and makes its tables if they are missing. */
export async function openShop<Tx>(store: SqlStore<Tx>): Promise<OpenedShop> {
  const database = new Database(store as SqlStore);
  await database.migrate();
  return {
    api: new StoredApi(database),
    publishingTo: (publisher) => {
      const inUnit: InUnit = (work) => database.unit(publisher, work);
      return {
        customers: new Customers(inUnit),
        orders: new Orders(inUnit),
        products: new Records(tables.products, inUnit),
        pages: new Records(tables.pages, inUnit),
        blocks: new Records(tables.blocks, inUnit),
        transaction: (work) => inUnit(work),
      };
    },
  };
}
