import type { Shipment } from "./api.ts";
import { isPaid, isShipped, type OrderRow, tables } from "./entities.ts";
import type { InUnit } from "./records.ts";
import { findBy, type UnitOfWork } from "./unit-of-work.ts";

/** How many of an article. */
export interface Line {
  readonly sku: string;
  readonly quantity: number;
}

/** An order as a customer places it. */
export interface NewOrder {
  readonly customerId: number;
  readonly items: readonly Line[];
  readonly note?: string | undefined;
}

type Item = OrderRow["items"][number];

/** Orders, and what belongs to them: invoices, shipments and credit memos. All are in the store of the customer. */
export class Orders {
  readonly #inUnit: InUnit;

  constructor(inUnit: InUnit) {
    this.#inUnit = inUnit;
  }

  /** Places an order at the present prices, and returns its id. */
  place({ customerId, items, note = "" }: NewOrder): Promise<number> {
    return this.#inUnit(async (unit) => {
      const { storeId } = await unit.get(tables.customers, customerId);
      const order = await unit.add(tables.orders, {
        storeId,
        customerId,
        state: "new",
        heldState: null,
        note,
        items: await itemsOf(unit, storeId, items),
        paidCents: 0,
        refundedCents: 0,
      });
      return order.id;
    });
  }

  /** Changes what is written on an order. */
  async annotate(id: number, note: string): Promise<void> {
    await this.#inUnit((unit) => unit.change(tables.orders, id, { note }));
  }

  /** Stops the processing of an order, until `unhold`. */
  async hold(id: number): Promise<void> {
    await this.#inUnit(async (unit) => {
      const { state } = await unit.get(tables.orders, id);
      if (state === "holded") return;
      assertState(state, "new", "processing");
      await unit.change(tables.orders, id, { state: "holded", heldState: state });
    });
  }

  async unhold(id: number): Promise<void> {
    await this.#inUnit(async (unit) => {
      const { heldState } = await unit.get(tables.orders, id);
      if (heldState === null) return;
      await unit.change(tables.orders, id, { state: heldState, heldState: null });
    });
  }

  /** Cancels an order that nothing was done for. */
  async cancel(id: number): Promise<void> {
    await this.#inUnit(async (unit) => {
      const { state } = await unit.get(tables.orders, id);
      if (state === "canceled") return;
      assertState(state, "new");
      await unit.change(tables.orders, id, { state: "canceled" });
    });
  }

  /** Makes an invoice, of everything that has none yet by default, and returns its id. */
  invoice(orderId: number, lines?: readonly Line[]): Promise<number> {
    return this.#inUnit(async (unit) => {
      const { storeId, items, totalCents } = await this.#take(unit, orderId, "invoiced", lines);
      const invoice = { storeId, orderId, state: "open", items, totalCents } as const;
      return (await unit.add(tables.invoices, invoice)).id;
    });
  }

  /** Notes that an invoice is paid. */
  async pay(invoiceId: number): Promise<void> {
    await this.#inUnit(async (unit) => {
      const { state, orderId, totalCents } = await unit.get(tables.invoices, invoiceId);
      if (state === "paid") return;
      await unit.change(tables.invoices, invoiceId, { state: "paid" });
      const { paidCents } = await unit.get(tables.orders, orderId);
      const paid = { paidCents: paidCents + totalCents };
      await this.#advance(unit, await unit.change(tables.orders, orderId, paid));
    });
  }

  /** Ships everything that was not shipped yet by default, and returns the id of the shipment. */
  ship(
    orderId: number,
    parcel: Pick<Shipment, "carrier" | "trackingNumber"> & { readonly lines?: readonly Line[] },
  ): Promise<number> {
    const { carrier, trackingNumber, lines } = parcel;
    return this.#inUnit(async (unit) => {
      const { storeId, items } = await this.#take(unit, orderId, "shipped", lines);
      const shipped = items.map(({ sku, quantity }) => ({ sku, quantity }));
      const shipment = { storeId, orderId, carrier, trackingNumber, items: shipped };
      return (await unit.add(tables.shipments, shipment)).id;
    });
  }

  /** Gives the money back for everything by default, and returns the id of the credit memo. */
  refund(orderId: number, reason: string, lines?: readonly Line[]): Promise<number> {
    return this.#inUnit(async (unit) => {
      const { storeId, items, totalCents } = await this.#take(unit, orderId, "refunded", lines);
      const { refundedCents, paidCents } = await unit.get(tables.orders, orderId);
      const sum = refundedCents + totalCents;
      if (sum > paidCents)
        throw new Error(`Only ${paidCents} cents were paid for order ${orderId}`);
      await unit.change(tables.orders, orderId, { refundedCents: sum });
      return (await unit.add(tables.creditMemos, { storeId, orderId, items, reason, totalCents }))
        .id;
    });
  }

  /** Counts items of an order as invoiced, shipped or refunded. Rejects if there are not that many left. */
  async #take(
    unit: UnitOfWork,
    orderId: number,
    what: "invoiced" | "shipped" | "refunded",
    lines?: readonly Line[],
  ): Promise<{
    storeId: number;
    items: { sku: string; quantity: number; priceCents: number }[];
    totalCents: number;
  }> {
    const order = await unit.get(tables.orders, orderId);
    assertState(order.state, "new", "processing", "complete");
    const wanted = new Map(lines?.map(({ sku, quantity }) => [sku, quantity]));
    const taken = order.items
      .map((item) => ({
        sku: item.sku,
        quantity: lines ? (wanted.get(item.sku) ?? 0) : item.quantity - item[what],
        priceCents: item.priceCents,
      }))
      .filter(({ quantity }) => quantity > 0);
    if (taken.length === 0) throw new Error(`Nothing of order ${orderId} is left to be ${what}`);
    const items = order.items.map((item): Item => {
      const count = item[what] + (taken.find(({ sku }) => sku === item.sku)?.quantity ?? 0);
      if (count > item.quantity) throw new Error(`Too many of ${item.sku} to be ${what}`);
      return { ...item, [what]: count };
    });
    await this.#advance(unit, await unit.change(tables.orders, orderId, { items }));
    const totalCents = taken.reduce((sum, it) => sum + it.quantity * it.priceCents, 0);
    return { storeId: order.storeId, items: taken, totalCents };
  }

  /** Brings the state of an order in line with what was done for it. */
  async #advance(unit: UnitOfWork, order: OrderRow): Promise<void> {
    const isRefunded = order.items.every(({ quantity, refunded }) => refunded === quantity);
    const isComplete = isPaid(order) && isShipped(order);
    const state = isRefunded ? "closed" : isComplete ? "complete" : "processing";
    // The payment of an order on hold does not end that.
    const change = order.heldState === null ? { state } : { heldState: state };
    await unit.change(tables.orders, order.id, change as Partial<OrderRow>);
  }
}

function assertState(state: OrderRow["state"], ...allowed: readonly OrderRow["state"][]): void {
  if (!allowed.includes(state)) throw new Error(`The order is ${state}`);
}

/** The items of an order, at the present prices. */
async function itemsOf(unit: UnitOfWork, storeId: number, lines: readonly Line[]): Promise<Item[]> {
  if (lines.length === 0) throw new Error("An order needs items");
  const sql = await unit.write();
  const items = new Map<string, Item>();
  for (const { sku, quantity } of lines) {
    if (!Number.isInteger(quantity) || quantity < 1) throw new Error(`Nobody orders ${quantity}`);
    const products = await findBy(sql, tables.products, "sku", sku);
    const product = products.find((it) => it.storeId === storeId && it.enabled);
    if (!product) throw new Error(`Store ${storeId} does not sell ${sku}`);
    const { name, priceCents } = product;
    const count = quantity + (items.get(sku)?.quantity ?? 0);
    const nothingDone = { invoiced: 0, shipped: 0, refunded: 0 };
    items.set(sku, { sku, name, priceCents, quantity: count, ...nothingDone });
  }
  return [...items.values()];
}
