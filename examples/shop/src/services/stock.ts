/** What is on the shelves, by article. */
export class Stock {
  readonly #onHand: Map<string, number>;

  constructor(onHand: Readonly<Record<string, number>>) {
    this.#onHand = new Map(Object.entries(onHand));
  }

  reserve(sku: string, quantity: number): void {
    const onHand = this.#onHand.get(sku) ?? 0;
    if (onHand < quantity) throw new Error(`only ${onHand} of ${sku} left`);
    this.#onHand.set(sku, onHand - quantity);
  }

  putBack(sku: string, quantity: number): void {
    this.#onHand.set(sku, (this.#onHand.get(sku) ?? 0) + quantity);
  }

  onHand(sku: string): number {
    return this.#onHand.get(sku) ?? 0;
  }
}
