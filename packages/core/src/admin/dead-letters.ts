import type { Event } from "../contract/event.ts";
import type { DeadReason } from "../contract/notices.ts";
import type { DeadDelivery, Page, ProviderAdmin } from "../contract/provider.ts";
import { stateOf } from "../deliver/failures.ts";
import { receivedEvent } from "../deliver/received-event.ts";
import { BusbarError } from "../errors/errors.ts";
import {
  assertOptions,
  assertText,
  assertTexts,
  type Checks,
  checkText,
  nearestHint,
} from "../values/arguments.ts";
import { quoted } from "../errors/quoted.ts";
import type { SettlementTracker } from "../causality/settlement-tracker.ts";

const PAGE_SIZE = 100;

/** Number and cursor are looked at where they are used. */
const LIST_CHECKS: Checks<ListDeadLetters> = {
  subscriberId: checkText,
  subscriptionId: checkText,
  limit: () => undefined,
  cursor: () => undefined,
};

/** A failed run of a delivery that is dead. */
export interface DeadLetterError {
  /** When the run failed, by the clock of the process that ran it. */
  readonly at: Date;
  /** The name of the error, such as `TypeError`. `NonError` if what was thrown is no error. */
  readonly name: string;
  /** The message of the error, at most 1 000 bytes of it. */
  readonly message: string;
  /** The stack of the error, at most 1 800 bytes of it. */
  readonly stack?: string | undefined;
  /** The error's own code, such as `ECONNREFUSED`. */
  readonly code?: string | undefined;
  /** The errors that it holds, as an `AggregateError` does, and its causes, as one text. */
  readonly cause?: string | undefined;
}

/** A delivery that ended dead: an event that one subscription could not handle. */
export interface DeadLetter {
  /** Identifies the dead letter within its subscription. Not the event's id: an event may die twice. */
  readonly id: string;
  /** The subscription that could not handle the event. */
  readonly subscriberId: string;
  /** @deprecated The name of `subscriberId` in 0.1. */
  readonly subscriptionId: string;
  /** The event, as its handlers saw it. */
  readonly event: Event;
  /** Why the delivery is dead. If it is `corrupt`, `event.data` is the text that could not be read. */
  readonly reason: DeadReason;
  /** Runs that failed or timed out. */
  readonly attempts: number;
  /**
   * The oldest first. Of more than 20 the first and the last 19. They have at most 8 kB together: where it is
   * more, those between the first and the last lose their stacks, and then are left out.
   */
  readonly errors: readonly DeadLetterError[];
  /** When the delivery died, by the clock of the provider's server where it has one. */
  readonly diedAt: Date;
}

/** Which page of dead letters to list. */
export interface ListDeadLetters {
  /** Whose dead letters to list. Those of all subscriptions by default. */
  readonly subscriberId?: string | undefined;
  /** @deprecated The name of `subscriberId` in 0.1. */
  readonly subscriptionId?: string | undefined;
  /** @default 100 */
  readonly limit?: number | undefined;
  /** From the page before. */
  readonly cursor?: string | undefined;
}

/** The dead letters of a bus. */
export class DeadLetters {
  readonly #admin: () => ProviderAdmin;
  readonly #listed: () => Promise<readonly string[]>;
  readonly #tracker: SettlementTracker | undefined;

  /**
   * @param admin Gives the provider's admin part, or throws when the bus does not run.
   * @param listed Resolves with the ids, earlier ones included, of all subscriptions that are declared.
   */
  constructor(
    admin: () => ProviderAdmin,
    listed: () => Promise<readonly string[]>,
    tracker: SettlementTracker | undefined,
  ) {
    this.#admin = admin;
    this.#listed = listed;
    this.#tracker = tracker;
  }

  /**
   * Lists dead letters, of each subscription the oldest first.
   *
   * @throws BusbarError `BUSBAR_NOT_FOUND` when nobody knows the subscription.
   * @throws TypeError when `limit` is not a whole number from 1, or `cursor` is of no page before.
   *
   * @example
   * ```ts
   * const { items } = await bus.deadLetters.list({ subscriberId: "send-receipt" });
   * ```
   */
  async list(options: ListDeadLetters = {}): Promise<Page<DeadLetter>> {
    assertOptions("deadLetters.list()", options, LIST_CHECKS);
    const { subscriptionId, subscriberId = subscriptionId, limit = PAGE_SIZE, cursor } = options;
    if (!Number.isSafeInteger(limit) || limit < 1) {
      throw new TypeError(`limit must be a whole number from 1: ${limit}`);
    }
    if (subscriberId !== undefined) {
      const page = await this.#listOne(subscriberId, limit, cursor);
      if (page.items.length === 0) await this.#assertKnown(subscriberId);
      return page;
    }

    const [from, inner] = readCursor(cursor);
    const stats = await this.#admin().stats();
    const ids = stats.map((entry) => entry.subscriptionId).toSorted();
    const items: DeadLetter[] = [];
    for (const id of ids.filter((candidate) => from === undefined || candidate >= from)) {
      const page = await this.#listOne(id, limit - items.length, id === from ? inner : undefined);
      items.push(...page.items);
      if (items.length < limit && page.cursor === undefined) continue;
      const next = page.cursor === undefined ? ids[ids.indexOf(id) + 1] : id;
      return next === undefined
        ? { items }
        : { items, cursor: JSON.stringify([next, page.cursor]) };
    }
    return { items };
  }

  /**
   * Resolves with one dead letter.
   *
   * @throws BusbarError `BUSBAR_NOT_FOUND` when there is no such one.
   */
  async get(subscriberId: string, id: string): Promise<DeadLetter> {
    assertText("deadLetters.get()", "subscriberId", subscriberId);
    for await (const page of this.#pages(subscriberId)) {
      const found = page.find((dead) => dead.id === id);
      if (found) return deadLetter(subscriberId, found);
    }
    throw new BusbarError(
      "BUSBAR_NOT_FOUND",
      `Subscription ${quoted(subscriberId)} has no dead letter ${quoted(id)}`,
      { kind: "dead letter", id },
    );
  }

  /**
   * Delivers dead letters again, as if for the first time, to their subscription only. Resolves with
   * how many there were, once they are back in the queue.
   *
   * @param ids Absent: all that the subscription has now.
   * @throws BusbarError `BUSBAR_NOT_FOUND` when nobody knows the subscription.
   *
   * @example
   * ```ts
   * const replayed = await bus.deadLetters.replay("send-receipt");
   * ```
   */
  async replay(subscriberId: string, ids?: readonly string[]): Promise<number> {
    const letters = await this.#select("replay", subscriberId, ids);
    let replayed = 0;
    for (const chunk of chunks(letters)) {
      replayed += await this.#replay(subscriberId, chunk);
    }
    return replayed;
  }

  /**
   * Deletes dead letters for good. Resolves with how many there were.
   *
   * @param ids Absent: all that the subscription has now.
   * @throws BusbarError `BUSBAR_NOT_FOUND` when nobody knows the subscription.
   */
  async discard(subscriberId: string, ids?: readonly string[]): Promise<number> {
    const letters = await this.#select("discard", subscriberId, ids);
    let discarded = 0;
    for (const chunk of chunks(letters)) {
      discarded += await this.#admin().discardDead(
        subscriberId,
        chunk.map(({ id }) => id),
      );
    }
    return discarded;
  }

  async #replay(subscriberId: string, letters: readonly DeadDelivery[]): Promise<number> {
    const tracker = this.#tracker;
    for (const { envelope } of letters) tracker?.publishing(envelope, undefined);
    let count = 0;
    try {
      const ids = letters.map(({ id }) => id);
      count = await this.#admin().replayDead(subscriberId, ids);
      return count;
    } finally {
      for (const { envelope } of letters) tracker?.published(envelope, Math.min(count, 1));
      // Somebody else was faster with some of them, and nobody says with which.
      if (count > 0 && count < letters.length) tracker?.loseTrack();
    }
  }

  async #select(
    method: string,
    subscriberId: string,
    ids: readonly string[] | undefined,
  ): Promise<readonly DeadDelivery[]> {
    assertText(`deadLetters.${method}()`, "subscriberId", subscriberId);
    if (ids !== undefined) assertTexts(`deadLetters.${method}()`, "ids", ids);
    const wanted = ids && new Set(ids);
    const selected: DeadDelivery[] = [];
    for await (const page of this.#pages(subscriberId)) {
      selected.push(...page.filter(({ id }) => wanted?.has(id) ?? true));
      if (selected.length === wanted?.size) break;
    }
    if (selected.length === 0) await this.#assertKnown(subscriberId);
    return selected;
  }

  /** A misspelt id would do nothing, and look as if there were nothing to do. */
  async #assertKnown(subscriberId: string): Promise<void> {
    // A provider may leave a subscription out of its numbers of which nothing waits. One that is retired is not
    // listed any more, and has numbers for as long as it has dead letters.
    const [listed, stats] = await Promise.all([this.#listed(), this.#admin().stats()]);
    const left = stats.filter((it) => it.ready + it.delayed + it.inFlight + it.dead > 0);
    const known = [...listed, ...left.map((entry) => entry.subscriptionId)];
    if (known.includes(subscriberId)) return;
    throw new BusbarError(
      "BUSBAR_NOT_FOUND",
      `Nobody knows subscription ${quoted(subscriberId)}${nearestHint(subscriberId, known)}`,
      { kind: "subscription", id: subscriberId },
    );
  }

  async *#pages(subscriberId: string): AsyncGenerator<readonly DeadDelivery[]> {
    let cursor: string | undefined;
    do {
      const page = await this.#admin().listDead(subscriberId, { limit: PAGE_SIZE, cursor });
      yield page.items;
      cursor = page.cursor;
    } while (cursor !== undefined);
  }

  async #listOne(
    subscriberId: string,
    limit: number,
    cursor: string | undefined,
  ): Promise<Page<DeadLetter>> {
    const page = await this.#admin().listDead(subscriberId, { limit, cursor });
    return { ...page, items: page.items.map((dead) => deadLetter(subscriberId, dead)) };
  }
}

/** Where a page over all subscriptions begins: at which of them, and where in it. */
function readCursor(cursor: string | undefined): readonly [string?, string?] {
  if (cursor === undefined) return [];
  try {
    const place: unknown = JSON.parse(cursor);
    const [from, inner] = Array.isArray(place) ? (place as unknown[]) : [];
    if (typeof from === "string") return typeof inner === "string" ? [from, inner] : [from];
  } catch {
    // What it is instead does not matter.
  }
  throw new TypeError(`cursor must be the cursor of the page before: ${cursor}`);
}

function deadLetter(subscriberId: string, dead: DeadDelivery): DeadLetter {
  // A delivery that died without a run, by `retire` or a crash, may have no state.
  const state = stateOf(dead.state);
  return {
    id: dead.id,
    subscriberId,
    subscriptionId: subscriberId,
    event: receivedEvent(dead.envelope, true),
    reason: dead.reason as DeadReason,
    attempts: state.runs,
    errors: state.errors.map((error) => ({ ...error, at: new Date(error.at) }) as DeadLetterError),
    diedAt: new Date(dead.diedAt),
  };
}

function chunks<T>(items: readonly T[]): readonly (readonly T[])[] {
  const count = Math.ceil(items.length / PAGE_SIZE);
  return Array.from({ length: count }, (_, index) =>
    items.slice(index * PAGE_SIZE, (index + 1) * PAGE_SIZE),
  );
}
