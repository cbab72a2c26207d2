/**
 * The rows of a relay that are on their way, by the id of their event. Where a publish is not safe until
 * its event is settled, they are in hand until then.
 */
export class InHand {
  readonly #rows = new Map<string, string[]>();
  /** Rows whose event is settled, to be taken out of the table. */
  #done: string[] = [];
  #publishing: readonly string[] = [];
  /** Ids of events that were settled while they were being published. */
  #early: Set<string> | undefined;

  /** Rows that wait for their events to be settled. */
  get size(): number {
    return this.#rows.size;
  }

  /** Every row that others must keep their hands off. */
  get ids(): readonly string[] {
    return [...this.#publishing, ...this.#done, ...[...this.#rows.values()].flat()];
  }

  /** Begins a publish of rows: what is settled from now on may be one of their events. */
  publishing(ids: readonly string[]): void {
    this.#publishing = ids;
    this.#early = new Set();
  }

  /** Ends a publish. The rows are those of events that were accepted. */
  accepted(rows: readonly { readonly id: string; readonly eventId: string }[]): void {
    for (const { id, eventId } of rows) {
      const known = this.#rows.get(eventId);
      if (this.#early?.has(eventId)) this.#done.push(id);
      else if (known) known.push(id);
      else this.#rows.set(eventId, [id]);
    }
    this.#early = undefined;
    this.#publishing = [];
  }

  /** An event is settled. Returns whether that was waited for. */
  settled(eventId: string): boolean {
    this.#early?.add(eventId);
    const rows = this.#rows.get(eventId);
    if (!rows) return false;
    this.#rows.delete(eventId);
    this.#done.push(...rows);
    return true;
  }

  /** Those that can be taken out of the table, once. */
  takeDone(): readonly string[] {
    const done = this.#done;
    this.#done = [];
    return done;
  }

  /** Those that were taken and could not be taken out. */
  putBack(ids: readonly string[]): void {
    this.#done.push(...ids);
  }

  /** Those that will not be settled any more. */
  takeRest(): readonly string[] {
    const rest = [...this.#rows.values()].flat();
    this.#rows.clear();
    return rest;
  }
}
