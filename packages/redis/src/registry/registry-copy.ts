import { createRouter } from "@busbar/core";
import { insistently } from "../insistently.ts";
import type { Session } from "../session.ts";
import type { RegistrySnapshot, SubscriptionRecord } from "./registry.ts";

/** This process's copy of the list of subscriptions. */
export interface RegistryCopy {
  /** The copy, read from Redis if there is none yet, or anew, beginning after this call. */
  read(afresh?: boolean): Promise<RegistrySnapshot>;
  /** Replaces the copy by what was just written. */
  replace(version: string, records: ReadonlyMap<string, SubscriptionRecord>): RegistrySnapshot;
}

/** @param onChange Called when the list is another one than before. */
export function createRegistryCopy(
  session: Omit<Session, "registry">,
  onChange: (snapshot: RegistrySnapshot) => void,
): RegistryCopy {
  const { keys, scripts } = session;
  let copy: RegistrySnapshot | undefined;
  let reading: Promise<RegistrySnapshot> | undefined;
  let readingNext: Promise<RegistrySnapshot> | undefined;

  function replace(
    version: string,
    records: ReadonlyMap<string, SubscriptionRecord>,
  ): RegistrySnapshot {
    if (copy?.version === version) return copy;
    copy = createSnapshot(version, records);
    onChange(copy);
    return copy;
  }

  async function readNow(): Promise<RegistrySnapshot> {
    const [version, entries] = await insistently(session, () =>
      scripts.read(keys.version, [keys.own]),
    );
    const records = new Map<string, SubscriptionRecord>();
    for (let index = 0; index < entries.length; index += 2) {
      records.set(entries[index] as string, JSON.parse(entries[index + 1] as string));
    }
    return replace(version, records);
  }

  function begin(): Promise<RegistrySnapshot> {
    reading = readNow().finally(() => {
      reading = undefined;
    });
    return reading;
  }

  return {
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
): RegistrySnapshot {
  const present = [...records.values()].filter(
    ({ renamedTo, retired }) => renamedTo === undefined && !retired,
  );
  return { version, records, router: createRouter(present) };
}
