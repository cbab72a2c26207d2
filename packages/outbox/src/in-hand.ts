/**
 * The rows of a relay that are on their way, by the id of their event. Where a publish is not safe until
 * its event is settled, they are in flight until then.
 */
export class InHand {
  readonly #rows = new Map<string, string[]>();
  /** Rows whose event is settled, to be taken out of the table. */
  #done: string[] = [];
  /** The lists of rows that the relay is removing from the table. */
  readonly #leaving = new Set<readonly string[]>();
  #publishing: readonly string[] = [];
  /** Ids of events that were settled while they were being published. */
  #early: Set<string> | undefined;

  /** The number of published events that are not settled yet. */
  get size(): number {
    return this.#rows.size;
  }

  /** Every row that others must keep their hands off. */
  get ids(): readonly string[] {
    const unsettled = [...this.#rows.values()].flat();
    return [...this.#publishing, ...this.#done, ...[...this.#leaving].flat(), ...unsettled];
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

  /** Has `remove` take rows out of the table whose events are settled. Those it cannot stay in flight. */
  async takeOut(remove: (ids: readonly string[]) => Promise<void>): Promise<void> {
    if (this.#done.length === 0) return;
    const done = this.#done;
    this.#done = [];
    this.#leaving.add(done);
    try {
      await remove(done);
    } catch (error) {
      this.#done = [...this.#done, ...done];
      throw error;
    } finally {
      this.#leaving.delete(done);
    }
  }

  /** What is not settled yet will not be any more. */
  giveUp(): void {
    this.#rows.clear();
  }
}
