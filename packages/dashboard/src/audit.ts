import type { Logger } from "@busbar/core";
import { type JsonObject, safeError, systemClock } from "@busbar/core/provider";

/** An action that a caller has taken with the dashboard. */
export interface AuditEntry {
  /** When the action ended, by the clock of this process. */
  readonly at: Date;
  /** The name of the caller. */
  readonly caller: string;
  /** What was done, such as `subscription.pause`. */
  readonly action: string;
  /** What it was done to, such as the id of a subscription. */
  readonly target: string;
  /** Whether the action was done, or failed. */
  readonly result: "done" | "failed";
  /** Options and numbers of the action. Never a payload. */
  readonly details: JsonObject;
}

/** Entries that are kept in memory. */
const KEPT = 1_000;

/** What people have done by the dashboard in this process. */
export class AuditLog {
  readonly #entries: AuditEntry[] = [];
  readonly #onAction: ((entry: AuditEntry) => void | Promise<void>) | undefined;
  /** Where actions are logged. Set at the start of the bus. */
  logger: Logger | undefined;

  constructor(onAction: ((entry: AuditEntry) => void | Promise<void>) | undefined) {
    this.#onAction = onAction;
  }

  /** The newest entry first. */
  list(): readonly AuditEntry[] {
    return this.#entries.toReversed();
  }

  add(given: Omit<AuditEntry, "at">): void {
    const entry: AuditEntry = { at: new Date(systemClock.now()), ...given };
    this.#entries.push(entry);
    if (this.#entries.length > KEPT) this.#entries.shift();
    const { caller, action, target, result, details } = entry;
    this.logger?.info({ caller, action, target, result, details }, "An action by the dashboard");
    void this.#passOn(entry);
  }

  async #passOn(entry: AuditEntry): Promise<void> {
    try {
      await this.#onAction?.(entry);
    } catch (error) {
      this.logger?.warn({ error: safeError(error) }, "The option onAction of the dashboard failed");
    }
  }
}
