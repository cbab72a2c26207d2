import type { Address } from "./api.ts";
import { type CustomerRow, type New, tables } from "./entities.ts";
import type { InUnit } from "./records.ts";

/** The customers of the shop, and their addresses. */
export class Customers {
  readonly #inUnit: InUnit;

  constructor(inUnit: InUnit) {
    this.#inUnit = inUnit;
  }

  /** Makes a customer, and returns the id. Rejects if the store has a customer with this address of mail. */
  register(customer: New<CustomerRow>): Promise<number> {
    return this.#inUnit(async (unit) => (await unit.add(tables.customers, customer)).id);
  }

  async update(id: number, changes: Partial<Omit<New<CustomerRow>, "storeId">>): Promise<void> {
    await this.#inUnit((unit) => unit.change(tables.customers, id, changes));
  }

  /** Is called by what has checked the password of a customer. */
  async loggedIn(id: number): Promise<void> {
    await this.#inUnit((unit) => unit.note(tables.customers, id, "customer.login"));
  }

  /** Makes an address of a customer, in the customer's store, and returns its id. */
  addAddress(
    customerId: number,
    address: Omit<New<Address>, "storeId" | "customerId">,
  ): Promise<number> {
    return this.#inUnit(async (unit) => {
      const { storeId } = await unit.get(tables.customers, customerId);
      return (await unit.add(tables.addresses, { ...address, storeId, customerId })).id;
    });
  }

  async updateAddress(
    id: number,
    changes: Partial<Omit<New<Address>, "storeId" | "customerId">>,
  ): Promise<void> {
    await this.#inUnit((unit) => unit.change(tables.addresses, id, changes));
  }
}
