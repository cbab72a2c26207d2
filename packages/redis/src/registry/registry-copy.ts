import { createRouter } from "@busbar/core/provider";
import { insistently } from "../store/insistently.ts";
import type { Store } from "../store/store.ts";
import type { RegistrySnapshot, SubscriptionRecord } from "./registry.ts";
import { objectIn } from "../store/stored-events.ts";

/** This process's copy of the list of subscriptions. */
export interface RegistryCopy {
  /** Undefined until there is one. */
  readonly present: RegistrySnapshot | undefined;
  /** The copy, read from Redis if there is none yet, or anew, beginning after this call. */
  read(afresh?: boolean): Promise<RegistrySnapshot>;
  /** Replaces the copy by what was just written. */
  replace(version: string, records: ReadonlyMap<string, SubscriptionRecord>): RegistrySnapshot;
}

/** @param onChange Called when the list is another one than before. */
export function createRegistryCopy(
  session: Store,
  onChange: (snapshot: RegistrySnapshot) => void,
): RegistryCopy {
  const { keys, scripts } = session;
  /** Those that an error was logged for. */
  const reported = new Set<string>();
  let copy: RegistrySnapshot | undefined;
  let reading: Promise<RegistrySnapshot> | undefined;
  let readingNext: Promise<RegistrySnapshot> | undefined;

  function replace(
    version: string,
    records: ReadonlyMap<string, SubscriptionRecord>,
    unreadable: ReadonlySet<string> = new Set(),
  ): RegistrySnapshot {
    if (copy?.version === version) return copy;
    copy = createSnapshot(version, records, unreadable);
    onChange(copy);
    return copy;
  }

  async function readNow(): Promise<RegistrySnapshot> {
    const known = copy;
    const [version, entries] = await insistently(session, () =>
      scripts.read(keys.version, [keys.own, known?.version ?? ""]),
    );
    if (known && version === known.version) return known;
    const records = new Map<string, SubscriptionRecord>();
    const unreadable = new Set<string>();
    for (let index = 0; index < entries.length; index += 2) {
      const id = entries[index] as string;
      const record = readRecord(id, entries[index + 1] as string);
      if (record) records.set(id, record);
      else unreadable.add(id);
    }
    for (const id of unreadable) {
      const before = known?.records.get(id);
      if (before) records.set(id, before);
      report(id);
    }
    return replace(version, records, unreadable);
  }

  function report(subscriberId: string): void {
    if (reported.has(subscriberId)) return;
    reported.add(subscriberId);
    session.context.logger.error(
      { key: keys.subscriptions, field: subscriberId },
      `What Redis knows of subscription "${subscriberId}" cannot be read: it gets no events until a process with code for it declares it`,
    );
  }

  function begin(): Promise<RegistrySnapshot> {
    reading = readNow().finally(() => {
      reading = undefined;
    });
    return reading;
  }

  return {
    get present() {
      return copy;
    },
    replace,
    async read(afresh = false) {
      if (!afresh && copy) return copy;
      if (!reading) return begin();
      if (!afresh) return reading;
      // One that is under way may have read already.
      readingNext ??= reading
        .then(undefined, () => undefined)
        .then(() => {
          readingNext = undefined;
          return begin();
        });
      return readingNext;
    },
  };
}

function createSnapshot(
  version: string,
  records: ReadonlyMap<string, SubscriptionRecord>,
  unreadable: ReadonlySet<string>,
): RegistrySnapshot {
  const router = createRouter();
  const renamed = new Map<string, string>();
  for (const { subscriptionId, events, renamedTo, retired } of records.values()) {
    if (renamedTo !== undefined) renamed.set(subscriptionId, renamedTo);
    else if (!retired) router.add(subscriptionId, events);
  }
  return { version, records, renamed, router, unreadable };
}

/** A record of the list of subscriptions. Undefined if the text is none any more. */
function readRecord(subscriptionId: string, text: string): SubscriptionRecord | undefined {
  const record = objectIn(text) as Partial<SubscriptionRecord> | undefined;
  const isOurs =
    record?.subscriptionId === subscriptionId &&
    isTexts(record.events) &&
    areWellFormed(record.events) &&
    isTexts(record.aliases) &&
    isTexts(record.queues) &&
    typeof record.ordering === "string" &&
    typeof record.onOrderedFailure === "string" &&
    typeof record.scope === "string";
  return isOurs ? (record as SubscriptionRecord) : undefined;
}

function areWellFormed(events: readonly string[]): boolean {
  if (!events.some((event) => event.includes("*"))) return true;
  try {
    createRouter().add("", events);
    return true;
  } catch {
    return false;
  }
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((it) => typeof it === "string");
}
