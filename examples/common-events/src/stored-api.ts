import type {
  Address,
  Content,
  CreditMemo,
  Customer,
  Invoice,
  Order,
  Product,
  ShopApi,
  Shipment,
} from "./api.ts";
import type { Database } from "./database.ts";
import { type Entity, type Table, tables, totalOf } from "./entities.ts";
import { findBy, findById } from "./unit-of-work.ts";

/** What the shop answers its clients, from the database. */
export class StoredApi implements ShopApi {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async customer(id: number): Promise<Customer | undefined> {
    const sql = await this.#database.reader();
    const row = await findById(sql, tables.customers, id);
    return (
      row && { ...row, addresses: [...(await findBy(sql, tables.addresses, "customerId", id))] }
    );
  }

  async order(id: number): Promise<Order | undefined> {
    const row = await this.#find(tables.orders, id);
    if (!row) return undefined;
    const { heldState: _, ...order } = row;
    const totalCents = totalOf(row);
    return { ...order, totalCents, dueCents: totalCents - row.paidCents };
  }

  address(id: number): Promise<Address | undefined> {
    return this.#find(tables.addresses, id);
  }

  product(id: number): Promise<Product | undefined> {
    return this.#find(tables.products, id);
  }

  page(id: number): Promise<Content | undefined> {
    return this.#find(tables.pages, id);
  }

  block(id: number): Promise<Content | undefined> {
    return this.#find(tables.blocks, id);
  }

  invoice(id: number): Promise<Invoice | undefined> {
    return this.#find(tables.invoices, id);
  }

  shipment(id: number): Promise<Shipment | undefined> {
    return this.#find(tables.shipments, id);
  }

  creditMemo(id: number): Promise<CreditMemo | undefined> {
    return this.#find(tables.creditMemos, id);
  }

  async #find<Row extends Entity>(table: Table<Row>, id: number): Promise<Row | undefined> {
    return findById(await this.#database.reader(), table, id);
  }
}
