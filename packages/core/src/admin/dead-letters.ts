import type { SettlementTracker } from "../causality/settlement-tracker.ts";
import type { Clock } from "../contract/clock.ts";
import type { JsonValue } from "../contract/json.ts";
import type { DeadDelivery, Page, ProviderAdmin } from "../contract/provider.ts";
import { unsupported } from "../emit/support.ts";
import { BusbarError } from "../errors/errors.ts";
import { quoted } from "../errors/quoted.ts";
import {
  anything,
  assertOptions,
  assertText,
  assertTexts,
  checkFunction,
  checkMilliseconds,
  checkObject,
  type Checks,
  checkText,
  nearestHint,
  wholeFrom,
} from "../values/arguments.ts";
import { type DeadLetter, deadLetter } from "./dead-letter.ts";
import { createLetterMatcher, type DeadLetterFilter, FILTER_CHECKS } from "./dead-letter-filter.ts";
import {
  actOnLetters,
  type BulkOptions,
  countLetters,
  type DeadLetterProgress,
  readPlace,
  searchLetters,
  STEP_SIZE,
  writePlace,
} from "./dead-letter-scan.ts";
import { checkEditedData, type DataRules } from "./edited-data.ts";

/** How many dead letters a page has by default. */
const PAGE_SIZE = 100;
const SEARCH_BUDGET_MS = 200;

/** Number and cursor are looked at where they are used. */
const LIST_CHECKS: Checks<ListDeadLetters> = {
  subscriberId: checkText,
  subscriptionId: checkText,
  limit: () => undefined,
  cursor: () => undefined,
};

const SEARCH_CHECKS: Checks<SearchDeadLetters> = {
  limit: wholeFrom(1),
  cursor: checkText,
  budgetMs: checkMilliseconds,
  signal: checkObject,
};

const BULK_CHECKS: Checks<BulkDeadLetters> = {
  signal: checkObject,
  onProgress: checkFunction,
  limit: wholeFrom(1),
};

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

/** Options of {@link DeadLetters.search}: where the page begins, and when it ends. */
export interface SearchDeadLetters {
  /**
   * How many dead letters the page has at most.
   *
   * @default 100
   */
  readonly limit?: number | undefined;
  /** The `cursor` of the page before, of a search with the same filter. */
  readonly cursor?: string | undefined;
  /**
   * Milliseconds after which the page ends, even if it is not full. The step in hand is finished first.
   *
   * @default 200
   */
  readonly budgetMs?: number | undefined;
  /** Ends the search: it then rejects with the reason of the signal. */
  readonly signal?: AbortSignal | undefined;
}

/** A page of a search. It may be empty even if later pages are not. */
export interface DeadLetterSearchPage extends Page<DeadLetter> {
  /** How many dead letters the search has looked at for this page. */
  readonly looked: number;
}

/** Options of {@link DeadLetters.replayWhere} and {@link DeadLetters.discardWhere}. */
export interface BulkDeadLetters {
  /** Ends the work between two steps: the call then resolves with what was done. */
  readonly signal?: AbortSignal | undefined;
  /** Called after each step, which looks at 100 dead letters at most. */
  readonly onProgress?: ((progress: DeadLetterProgress) => void) | undefined;
  /** How many dead letters to replay or discard at most. All that match by default. */
  readonly limit?: number | undefined;
}

/** Options of {@link DeadLetters.replay}. */
export interface ReplayDeadLetters {
  /**
   * The data that the event is delivered with instead of its own. It is checked as at an emit. The id, the name and
   * the metadata of the event stay. Only for a single dead letter.
   */
  readonly data?: unknown;
}

/** What {@link DeadLetters} needs of its bus. */
export interface DeadLettersOptions extends DataRules {
  /** Gives the provider's admin part, or throws when the bus does not run. */
  readonly admin: () => ProviderAdmin;
  /** Resolves with the ids, earlier ones included, of all subscriptions that are declared. */
  readonly listed: () => Promise<readonly string[]>;
  readonly tracker: SettlementTracker | undefined;
  readonly clock: Clock;
  readonly providerName: string;
  /** Whether the numbers of the provider may lag behind. */
  readonly statsLag: boolean;
}

/** The dead letters of a bus. */
export class DeadLetters {
  readonly #options: DeadLettersOptions;

  constructor(options: DeadLettersOptions) {
    this.#options = options;
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

    const [from, inner] = readPlace(cursor);
    const ids = await this.#subscriberIds();
    const items: DeadLetter[] = [];
    for (const id of ids.filter((candidate) => from === undefined || candidate >= from)) {
      const page = await this.#listOne(id, limit - items.length, id === from ? inner : undefined);
      items.push(...page.items);
      if (items.length < limit && page.cursor === undefined) continue;
      const next = page.cursor === undefined ? ids[ids.indexOf(id) + 1] : id;
      return next === undefined ? { items } : { items, cursor: writePlace(next, page.cursor) };
    }
    return { items };
  }

  /**
   * Searches dead letters, of each subscription the oldest first. The search looks at one letter after the other for
   * at most `budgetMs` milliseconds. Call it again with `cursor` to go on.
   *
   * @throws BusbarError `BUSBAR_NOT_FOUND` when nobody knows the subscription of the filter.
   * @throws TypeError when an option or a condition is malformed.
   *
   * @example
   * ```ts
   * const where = { subscriberId: "send-receipt", error: "ECONNREFUSED" };
   * let cursor: string | undefined;
   * do {
   *   const page = await bus.deadLetters.search(where, { cursor });
   *   for (const { id, event } of page.items) console.log(id, event.name);
   *   cursor = page.cursor;
   * } while (cursor !== undefined);
   * ```
   */
  async search(
    where: DeadLetterFilter,
    options: SearchDeadLetters = {},
  ): Promise<DeadLetterSearchPage> {
    assertOptions("deadLetters.search()", where, FILTER_CHECKS);
    assertOptions("deadLetters.search()", options, SEARCH_CHECKS);
    const { limit = PAGE_SIZE, cursor, budgetMs = SEARCH_BUDGET_MS, signal } = options;
    const { clock } = this.#options;
    const admin = this.#options.admin();
    const deadline = clock.monotonic() + budgetMs;
    const { subscriberId: only } = where;
    const ids = only === undefined ? await this.#subscriberIds() : [only];
    const page = await searchLetters(admin, ids, {
      matches: createLetterMatcher(where),
      limit,
      cursor,
      isLate: () => clock.monotonic() >= deadline,
      signal,
    });
    if (only !== undefined && page.looked === 0) await this.#assertKnown(only);
    const items = page.items.map(({ subscriberId, letter }) => deadLetter(subscriberId, letter));
    return { ...page, items };
  }

  /**
   * Counts dead letters. Without conditions, or with a subscription alone, the answer comes at once; with others, every
   * letter of the subscriptions is read.
   *
   * @throws BusbarError `BUSBAR_NOT_FOUND` when nobody knows the subscription of the filter.
   *
   * @example
   * ```ts
   * const count = await bus.deadLetters.count({ eventName: "order.placed" });
   * ```
   */
  async count(
    where: DeadLetterFilter = {},
    options: { readonly signal?: AbortSignal | undefined } = {},
  ): Promise<number> {
    assertOptions("deadLetters.count()", where, FILTER_CHECKS);
    assertOptions("deadLetters.count()", options, { signal: checkObject });
    const totals = await this.#totals(where.subscriberId);
    const { subscriberId: _, ...conditions } = where;
    let count = 0;
    const isPlain = Object.values(conditions).every((condition) => condition === undefined);
    const matches = createLetterMatcher(where);
    for (const [id, total] of totals) {
      count += isPlain
        ? total
        : await countLetters(this.#options.admin(), id, { matches, signal: options.signal });
    }
    return count;
  }

  /**
   * Resolves with one dead letter.
   *
   * @throws BusbarError `BUSBAR_NOT_FOUND` when there is no such one.
   */
  async get(subscriberId: string, id: string): Promise<DeadLetter> {
    assertText("deadLetters.get()", "subscriberId", subscriberId);
    assertText("deadLetters.get()", "id", id);
    return deadLetter(subscriberId, await this.#get(subscriberId, id));
  }

  /**
   * Delivers dead letters again, as if for the first time, to their subscription only. Resolves with
   * how many there were, once they are back in the queue.
   *
   * @param ids Absent: all that the subscription has now.
   * @throws BusbarError `BUSBAR_NOT_FOUND` when nobody knows the subscription. With `data`:
   *   `BUSBAR_NOT_FOUND` when there is no such dead letter, `BUSBAR_INVALID_EVENT` when the data does not match
   *   the schema of the event, `BUSBAR_INVALID_MESSAGE` when it is not JSON or too large, `BUSBAR_UNSUPPORTED` when the
   *   provider cannot replace data.
   *
   * @example
   * ```ts
   * const replayed = await bus.deadLetters.replay("send-receipt");
   * ```
   *
   * @example Repairs the data of one event
   * ```ts
   * const letter = await bus.deadLetters.get("send-receipt", id);
   * const data = { ...(letter.event.data as Order), email: "ada@example.com" };
   * await bus.deadLetters.replay("send-receipt", [letter.id], { data });
   * ```
   */
  async replay(
    subscriberId: string,
    ids?: readonly string[],
    options: ReplayDeadLetters = {},
  ): Promise<number> {
    assertOptions("deadLetters.replay()", options, { data: anything });
    if (options.data !== undefined) return this.#replayEdited(subscriberId, ids, options.data);
    return this.#each("replay", subscriberId, ids, this.#replayLetters);
  }

  /**
   * Replays the dead letters that match a filter, as {@link DeadLetters.replay} does, 100 at a time. Each letter that is
   * there at the start is looked at once: one that dies again meanwhile stays dead.
   *
   * Resolves with how many matched and how many were replayed; also if `signal` aborts.
   *
   * @throws BusbarError `BUSBAR_NOT_FOUND` when nobody knows the subscription of the filter.
   *
   * @example
   * ```ts
   * const { done } = await bus.deadLetters.replayWhere(
   *   { subscriberId: "send-receipt", error: "ECONNREFUSED" },
   *   { onProgress: ({ looked, total }) => console.log(`${looked} of ${total}`) },
   * );
   * ```
   */
  async replayWhere(
    where: DeadLetterFilter,
    options: BulkDeadLetters = {},
  ): Promise<DeadLetterProgress> {
    return this.#actWhere("replayWhere", where, options, this.#replayLetters);
  }

  /**
   * Deletes dead letters for good. Resolves with how many there were.
   *
   * @param ids Absent: all that the subscription has now.
   * @throws BusbarError `BUSBAR_NOT_FOUND` when nobody knows the subscription.
   */
  async discard(subscriberId: string, ids?: readonly string[]): Promise<number> {
    return this.#each("discard", subscriberId, ids, this.#discardLetters);
  }

  /**
   * Deletes the dead letters that match a filter, for good, 100 at a time. Resolves with how many matched and how many
   * were deleted; also if `signal` aborts.
   *
   * @throws BusbarError `BUSBAR_NOT_FOUND` when nobody knows the subscription of the filter.
   *
   * @example
   * ```ts
   * const lastYear = new Date("2026-01-01");
   * await bus.deadLetters.discardWhere({ subscriberId: "send-receipt", diedBefore: lastYear });
   * ```
   */
  async discardWhere(
    where: DeadLetterFilter,
    options: BulkDeadLetters = {},
  ): Promise<DeadLetterProgress> {
    return this.#actWhere("discardWhere", where, options, this.#discardLetters);
  }

  readonly #replayLetters = async (
    subscriberId: string,
    letters: readonly DeadDelivery[],
    data?: JsonValue,
  ): Promise<number> => {
    const { tracker } = this.#options;
    for (const { envelope } of letters) tracker?.publishing(envelope, undefined);
    let count = 0;
    try {
      const ids = letters.map(({ id }) => id);
      const admin = this.#options.admin();
      count = await (data === undefined
        ? admin.replayDead(subscriberId, ids)
        : admin.replayDead(subscriberId, ids, { data }));
      return count;
    } finally {
      for (const { envelope } of letters) tracker?.published(envelope, Math.min(count, 1));
      // Somebody else was faster with some of them, and nobody says with which.
      if (count > 0 && count < letters.length) tracker?.loseTrack();
    }
  };

  readonly #discardLetters: BulkOptions["act"] = (subscriberId, letters) =>
    this.#options.admin().discardDead(
      subscriberId,
      letters.map(({ id }) => id),
    );

  async #replayEdited(
    subscriberId: string,
    ids: readonly string[] | undefined,
    data: unknown,
  ): Promise<number> {
    const call = "deadLetters.replay()";
    assertText(call, "subscriberId", subscriberId);
    assertTexts(call, "ids", ids);
    const [id, ...others] = ids ?? [];
    if (id === undefined || others.length > 0) {
      throw new TypeError(`${call}: with data, ids must have exactly one id`);
    }
    // A provider that was written before this would replay the letter with its own data.
    if (!this.#options.admin().getDead) {
      throw unsupported(this.#options.providerName, "data", "a replay with other data");
    }
    const letter = await this.#get(subscriberId, id);
    const checked = await checkEditedData(letter.envelope.name, data, this.#options);
    return this.#replayLetters(subscriberId, [letter], checked);
  }

  /** Does something with letters by their ids, or with all that there are. */
  async #each(
    method: string,
    subscriberId: string,
    ids: readonly string[] | undefined,
    act: BulkOptions["act"],
  ): Promise<number> {
    assertText(`deadLetters.${method}()`, "subscriberId", subscriberId);
    if (ids === undefined) return (await this.#actWhere(method, { subscriberId }, {}, act)).done;
    assertTexts(`deadLetters.${method}()`, "ids", ids);
    let hasAny = false;
    let done = 0;
    for await (const letters of this.#found(subscriberId, new Set(ids))) {
      if (letters.length === 0) continue;
      hasAny = true;
      done += await act(subscriberId, letters);
    }
    if (!hasAny) await this.#assertKnown(subscriberId);
    return done;
  }

  async #actWhere(
    method: string,
    where: DeadLetterFilter,
    options: BulkDeadLetters,
    act: BulkOptions["act"],
  ): Promise<DeadLetterProgress> {
    assertOptions(`deadLetters.${method}()`, where, FILTER_CHECKS);
    assertOptions(`deadLetters.${method}()`, options, BULK_CHECKS);
    const { signal, onProgress, limit = Number.POSITIVE_INFINITY } = options;
    const totals = await this.#totals(where.subscriberId);
    const matches = createLetterMatcher(where);
    return actOnLetters(this.#options.admin(), totals, { matches, limit, signal, onProgress, act });
  }

  async #get(subscriberId: string, id: string): Promise<DeadDelivery> {
    for await (const [found] of this.#found(subscriberId, new Set([id]))) if (found) return found;
    throw new BusbarError(
      "BUSBAR_NOT_FOUND",
      `Subscription ${quoted(subscriberId)} has no dead letter ${quoted(id)}`,
      { kind: "dead letter", id },
    );
  }

  /** Finds letters by their ids, some at a time. */
  async *#found(
    subscriberId: string,
    ids: ReadonlySet<string>,
  ): AsyncGenerator<readonly DeadDelivery[]> {
    const admin = this.#options.admin();
    if (admin.getDead) {
      const wanted = [...ids];
      for (let from = 0; from < wanted.length; from += STEP_SIZE) {
        yield await admin.getDead(subscriberId, wanted.slice(from, from + STEP_SIZE));
      }
      return;
    }
    let cursor: string | undefined;
    let left = ids.size;
    do {
      const page = await admin.listDead(subscriberId, { limit: STEP_SIZE, cursor });
      const found = page.items.filter(({ id }) => ids.has(id));
      left -= found.length;
      yield found;
      ({ cursor } = page);
    } while (cursor !== undefined && left > 0);
  }

  /** Every subscription that may have dead letters, in the order of a page over all of them. */
  async #subscriberIds(): Promise<readonly string[]> {
    const stats = await this.#options.admin().stats();
    return stats.map(({ subscriptionId }) => subscriptionId).toSorted();
  }

  /**
   * How many dead letters each subscription has, or the one that is named.
   *
   * @throws BusbarError `BUSBAR_NOT_FOUND` when nobody knows the one that is named.
   */
  async #totals(subscriberId: string | undefined): Promise<ReadonlyMap<string, number>> {
    const admin = this.#options.admin();
    const { statsLag } = this.#options;
    const stats = await admin.stats();
    const numbers = new Map(stats.map(({ subscriptionId, dead }) => [subscriptionId, dead]));
    const ids = subscriberId === undefined ? [...numbers.keys()].toSorted() : [subscriberId];
    const totals = new Map<string, number>();
    for (const id of ids) {
      // An earlier id has no numbers of its own.
      const known = statsLag ? undefined : numbers.get(id);
      totals.set(id, known ?? (await countLetters(admin, id, { matches: () => true })));
    }
    if (subscriberId !== undefined && totals.get(subscriberId) === 0) {
      await this.#assertKnown(subscriberId);
    }
    return totals;
  }

  /** A misspelt id would do nothing, and look as if there were nothing to do. */
  async #assertKnown(subscriberId: string): Promise<void> {
    // A provider may leave a subscription out of its numbers of which nothing waits. One that is retired is not
    // listed any more, and has numbers for as long as it has dead letters.
    const [listed, stats] = await Promise.all([
      this.#options.listed(),
      this.#options.admin().stats(),
    ]);
    const left = stats.filter((it) => it.ready + it.delayed + it.inFlight + it.dead > 0);
    const known = [...listed, ...left.map((entry) => entry.subscriptionId)];
    if (known.includes(subscriberId)) return;
    throw new BusbarError(
      "BUSBAR_NOT_FOUND",
      `Nobody knows subscription ${quoted(subscriberId)}${nearestHint(subscriberId, known)}`,
      { kind: "subscription", id: subscriberId },
    );
  }

  async #listOne(
    subscriberId: string,
    limit: number,
    cursor: string | undefined,
  ): Promise<Page<DeadLetter>> {
    const page = await this.#options.admin().listDead(subscriberId, { limit, cursor });
    return { ...page, items: page.items.map((dead) => deadLetter(subscriberId, dead)) };
  }
}
