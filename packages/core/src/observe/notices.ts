import type { Logger } from "../contract/logger.ts";
import type { BusListener, BusNoticeName, BusNotices } from "../contract/notices.ts";
import type { Envelope } from "../contract/provider.ts";

/** Sees every notice, and of an event that was emitted its envelope. Must not throw, and must not keep the envelope. */
export type NoticeTap = (tapped: {
  readonly name: BusNoticeName;
  readonly notice: object;
  readonly envelope: Envelope | undefined;
}) => void;

interface Registration {
  /** Called with the notice of its name only. */
  readonly listener: (notice: object) => unknown;
  /** Whether the listener has failed, and a warning says so. */
  hasFailed: boolean;
  isRemoved: boolean;
}

const NAMES: Readonly<Record<BusNoticeName, true>> = {
  emitted: true,
  unrouted: true,
  delivered: true,
  failed: true,
  dead: true,
  released: true,
  orphaned: true,
  state: true,
};

/** The names of all notices. */
export const NOTICE_NAMES: readonly string[] = Object.keys(NAMES);

/** The listeners of one bus. A listener that fails hurts neither the bus nor another listener. */
export class Notices {
  readonly #logger: Logger;
  /** Each list is replaced when it changes, so that listeners may be added and removed by listeners. */
  readonly #registrations = new Map<BusNoticeName, readonly Registration[]>();
  #tap: NoticeTap | undefined;
  /** Whether there is a listener at all. While there is none, nothing else of this class need be called. */
  isHeard = false;

  /** @param logger A safe logger: listeners may throw anything. */
  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** Adds a listener. Returns a function that removes it. */
  on<Name extends BusNoticeName>(name: Name, listener: BusListener<Name>): () => void {
    const added: Registration = {
      listener: listener as Registration["listener"],
      hasFailed: false,
      isRemoved: false,
    };
    this.#registrations.set(name, [...(this.#registrations.get(name) ?? []), added]);
    this.isHeard = true;
    return () => this.#remove(name, added);
  }

  /** Shows every notice to one function more, for the bus itself. Returns a function that ends it. */
  tap(tap: NoticeTap): () => void {
    this.#tap = tap;
    this.isHeard = true;
    return () => {
      this.#tap = undefined;
      this.isHeard = this.#registrations.size > 0;
    };
  }

  /** Calls the listeners of one name, in the order in which they were added. Never throws. */
  report<Name extends BusNoticeName>(
    name: Name,
    makeNotice: () => BusNotices[Name],
    envelope?: Envelope,
  ): void {
    const registrations = this.#registrations.get(name);
    if (!registrations && !this.#tap) return;
    const notice = Object.freeze(makeNotice());
    this.#tap?.({ name, notice, envelope });
    for (const registration of registrations ?? []) this.#call(name, registration, notice);
  }

  #remove(name: BusNoticeName, removed: Registration): void {
    removed.isRemoved = true;
    const left = this.#registrations.get(name)?.filter(({ isRemoved }) => !isRemoved) ?? [];
    if (left.length > 0) this.#registrations.set(name, left);
    else this.#registrations.delete(name);
    this.isHeard = this.#registrations.size > 0 || this.#tap !== undefined;
  }

  #call(name: BusNoticeName, registration: Registration, notice: object): void {
    if (registration.isRemoved) return;
    const warn = (err: unknown): void => this.#warn(name, registration, err);
    try {
      const result = registration.listener(notice);
      // Not `Promise.resolve`: a listener may return a promise with a `catch` of its own.
      if (result !== undefined) new Promise((resolve) => resolve(result)).catch(warn);
    } catch (err) {
      warn(err);
    }
  }

  #warn(name: BusNoticeName, registration: Registration, err: unknown): void {
    if (registration.hasFailed) return;
    registration.hasFailed = true;
    this.#logger.warn(
      { err, notice: name },
      `A listener to "${name}" has failed; its further failures are not logged`,
    );
  }
}
