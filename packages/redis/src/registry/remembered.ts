import type { SubscriptionSpec } from "@busbar/core/provider";
import { birthOf } from "../store/registry-script.ts";
import type { Store } from "../store/store.ts";
import type { RegistrySnapshot } from "./registry.ts";

/** What this process has declared, for a Redis that has forgotten it. */
export interface Remembered {
  has(subscriptionId: string): boolean;
  /** It is declared, under that version of the list. */
  add(specs: readonly SubscriptionSpec[], version: string): void;
  /** It is not to be declared again by itself. */
  forget(subscriptionId: string, events: readonly string[] | undefined): void;
  /**
   * Passes a snapshot on, unless Redis has forgotten the list since, or may have: then what this process
   * has declared is declared again before.
   */
  check(read: () => Promise<RegistrySnapshot>): Promise<RegistrySnapshot>;
  /** Whether {@link check} would pass that snapshot on as it is. */
  isSureOf(snapshot: RegistrySnapshot): boolean;
  close(): void;
}

/** What {@link createRemembered} needs. */
export interface RememberedOptions {
  /** Declares subscriptions, and resolves with the version of the list. */
  readonly declare: (specs: readonly SubscriptionSpec[]) => Promise<string>;
  /** What {@link Remembered.isSureOf} has said may not be so any more. */
  readonly doubt: () => void;
}

export function createRemembered(
  { link, context }: Pick<Store, "link" | "context">,
  { declare, doubt }: RememberedOptions,
): Remembered {
  const declared = new Map<string, SubscriptionSpec>();
  /** Of the list that knows them. */
  let birth: string | undefined;
  /** Redis may have come back without its data, or with older ones. */
  let isDoubtful = false;
  let declaring: Promise<void> | undefined;
  /** Passed last: it is not compared anew for each publish. */
  let passed: RegistrySnapshot | undefined;

  function forgetPassed(): void {
    passed = undefined;
    doubt();
  }

  async function again(): Promise<void> {
    isDoubtful = false;
    try {
      birth = birthOf(await declare([...declared.values()]));
      forgetPassed();
    } catch (error) {
      isDoubtful = true;
      throw error;
    }
  }

  function declareAgain(): Promise<void> {
    doubt();
    declaring ??= again().finally(() => {
      declaring = undefined;
    });
    return declaring;
  }

  const unlisten = link.onReconnect(() => {
    if (declared.size === 0) return;
    isDoubtful = true;
    declareAgain().catch((err: unknown) => {
      context.logger.debug({ err }, "Subscriptions are declared again with the next publish");
    });
  });

  return {
    has: (subscriptionId) => declared.has(subscriptionId),

    add(specs, version) {
      for (const spec of specs) declared.set(spec.subscriptionId, spec);
      birth = birthOf(version);
      forgetPassed();
    },

    forget(subscriptionId, events) {
      forgetPassed();
      const spec = declared.get(subscriptionId);
      const left = events ? (spec?.events.filter((event) => !events.includes(event)) ?? []) : [];
      if (spec && left.length > 0) declared.set(subscriptionId, { ...spec, events: left });
      else declared.delete(subscriptionId);
    },

    async check(read) {
      if (isDoubtful || declaring) await declareAgain();
      const snapshot = await read();
      const isSpoilt = [...snapshot.unreadable].some((id) => declared.has(id));
      if (declared.size === 0 || (birthOf(snapshot.version) === birth && !isSpoilt)) {
        passed = snapshot;
        return snapshot;
      }
      if (!isSpoilt) {
        context.logger.warn({}, "Redis has forgotten the subscriptions; they are declared again");
      }
      await declareAgain();
      return read();
    },

    isSureOf: (snapshot) => snapshot === passed && !isDoubtful && !declaring,

    close: unlisten,
  };
}
