import type { StagedEvent } from "@busbar/core/provider";

/** How much is remembered of groups that are not released: groups, events, and characters of their JSON. */
const MOST_GROUPS = 10_000;
const MOST_EVENTS = 10_000;
const MOST_CHARACTERS = 16_000_000;

/** What this process has staged, so that a release need not ask for it. */
export interface KnownEvents {
  /** A stage is under way. Once Redis has the events, the function that this returns remembers them. */
  staging(eventGroupId: string): (events: readonly StagedEvent[], items: readonly string[]) => void;
  /** The events of a group, which are forgotten, unless more of them are under way. */
  take(eventGroupId: string): readonly StagedEvent[] | undefined;
}

interface Entry {
  readonly stages: (readonly StagedEvent[] | undefined)[];
  events: number;
  characters: number;
}

/**
 * Remembers the latest groups. What it has forgotten, or does not know of, the number of the events in Redis
 * gives away: a release of these groups asks for them.
 */
export function createKnownEvents(): KnownEvents {
  const groups = new Map<string, Entry>();
  let [events, characters] = [0, 0];

  function forget(eventGroupId: string, entry: Entry): void {
    if (!groups.delete(eventGroupId)) return;
    events -= entry.events;
    characters -= entry.characters;
  }

  function forgetOldest(): void {
    for (const [eventGroupId, entry] of groups) {
      const isLittle = groups.size <= MOST_GROUPS && events <= MOST_EVENTS;
      if (isLittle && characters <= MOST_CHARACTERS) return;
      forget(eventGroupId, entry);
    }
  }

  return {
    staging(eventGroupId) {
      const entry = groups.get(eventGroupId) ?? { stages: [], events: 0, characters: 0 };
      groups.set(eventGroupId, entry);
      // Those that are under way arrive in this order.
      const position = entry.stages.push(undefined) - 1;
      return (staged, items) => {
        entry.stages[position] = staged;
        if (groups.get(eventGroupId) !== entry) return;
        const length = items.reduce((sum, item) => sum + item.length, 0);
        entry.events += staged.length;
        entry.characters += length;
        events += staged.length;
        characters += length;
        forgetOldest();
      };
    },

    take(eventGroupId) {
      const entry = groups.get(eventGroupId);
      if (!entry) return undefined;
      forget(eventGroupId, entry);
      const { stages } = entry;
      return stages.every((stage) => stage !== undefined) ? stages.flat() : undefined;
    },
  };
}
