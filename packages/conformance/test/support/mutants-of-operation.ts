import type { MemoryProvider } from "@busbar/core/memory";
import type { ProviderHarness } from "../../src/harness.ts";
import { faulty } from "./faulty.ts";
import { type BoardMistake, createMapBoard } from "./map-board.ts";
import { createMapRates, type RatesMistake } from "./map-rates.ts";
import type { Mutant } from "./mutants.ts";
import { makingRoom } from "./mutants-of-parts.ts";

export const operationMutants: readonly Mutant[] = [
  rates("counts each instance alone", "rates/window"),
  rates("counts no reserved start that lies ahead", "rates/window"),
  rates("reserves starts beyond the horizon", "rates/horizon"),
  rates("says nothing of the next time to ask", "rates/horizon"),
  rates("counts all subscriptions as one", "rates/apart"),
  rates("counts at most as many starts as the last process asked for", "rates/two-releases"),
  board("keeps the first report", "operate/reports"),
  board("keeps reports for ever", "operate/reports-expire"),
  board("never says that anyone watches", "operate/watched"),
  board("ends a watch with a shorter one", "operate/watched"),
  board("says for ever that someone watches", "operate/watched-ends"),
  board("reads what came before", "operate/feed"),
  board("keeps every entry", "operate/feed-bound"),
  board("reads nothing for a cursor that it does not know", "operate/feed-bound"),
  {
    mistake: "forgets a pause with the next declaration",
    caughtBy: ["operate/pause"],
    harness: () =>
      faulty((inner) => ({
        subscriptions: {
          ...inner.subscriptions,
          declare: async (specs) => {
            await inner.subscriptions.declare(specs);
            for (const { subscriptionId } of specs) await setPaused(inner, subscriptionId, false);
          },
        },
      })),
  },
  {
    mistake: "remembers a pause after the retirement",
    caughtBy: ["operate/pause"],
    harness: () =>
      faulty((inner) => {
        const paused = new Set<string>();
        return {
          subscriptions: {
            ...inner.subscriptions,
            declare: async (specs) => {
              await inner.subscriptions.declare(specs);
              for (const id of paused) await setPaused(inner, id, true);
            },
            setPaused: (id, isPaused) => {
              if (isPaused) paused.add(id);
              else paused.delete(id);
              return setPaused(inner, id, isPaused);
            },
          },
        };
      }),
  },
  {
    mistake: "forgets a pause when an event is retired",
    caughtBy: ["operate/pause"],
    harness: () =>
      faulty((inner) => ({
        subscriptions: {
          ...inner.subscriptions,
          retire: async (id, options) => {
            const count = await inner.subscriptions.retire(id, options);
            await setPaused(inner, id, false);
            return count;
          },
        },
      })),
  },
  {
    mistake: "lists the first page of what waits again and again",
    caughtBy: ["operate/waiting"],
    harness: () =>
      admin((inner) => ({
        listWaiting: (id, { limit, eventId }) => listWaiting(inner, id, { limit, eventId }),
      })),
  },
  {
    mistake: "finds waiting deliveries of every event",
    caughtBy: ["operate/waiting"],
    harness: () =>
      admin((inner) => ({
        listWaiting: (id, { limit, cursor }) => listWaiting(inner, id, { limit, cursor }),
      })),
  },
  {
    mistake: "shows what waits for its time as ready",
    caughtBy: ["operate/waiting-delayed"],
    harness: () =>
      admin((inner) => ({
        listWaiting: async (id, page) => {
          const { items, ...others } = await listWaiting(inner, id, page);
          return { items: items.map((it) => ({ ...it, state: "ready" as const })), ...others };
        },
      })),
  },
  {
    mistake: "retires what it should drain",
    caughtBy: ["operate/drain"],
    harness: () =>
      admin((inner) => ({
        drain: (id, { backlog }) => inner.subscriptions.retire(id, { backlog }),
      })),
  },
  {
    mistake: "drops dead letters to make room for those of a drain",
    caughtBy: ["operate/drain-bound"],
    harness: () =>
      admin((inner) => ({
        drain: (id, options) =>
          makingRoom(inner, id, async () => (await inner.admin.drain?.(id, options)) ?? 0),
      })),
  },
  {
    mistake: "dead-letters what a drain should discard",
    caughtBy: ["operate/drain-in-flight"],
    harness: () =>
      admin((inner) => ({
        drain: async (id) => (await inner.admin.drain?.(id, { backlog: "dead-letter" })) ?? 0,
      })),
  },
];

function board(mistake: BoardMistake, caughtBy: string): Mutant {
  const harness = (made?: BoardMistake): ProviderHarness =>
    faulty(() => ({ board: createMapBoard(made) }));
  return {
    mistake: `has a board that ${mistake}`,
    caughtBy: [caughtBy],
    harness: () => harness(mistake),
    without: () => harness(),
  };
}

function rates(mistake: RatesMistake, caughtBy: string): Mutant {
  const harness = (made?: RatesMistake): ProviderHarness => {
    const count = createMapRates(made);
    return faulty(() => ({ rates: count() }));
  };
  return {
    mistake: `has rates that ${mistake}`,
    caughtBy: [caughtBy],
    harness: () => harness(mistake),
    without: () => harness(),
  };
}

function admin(
  change: (inner: MemoryProvider) => Partial<MemoryProvider["admin"]>,
): ProviderHarness {
  return faulty((inner) => ({ admin: { ...inner.admin, ...change(inner) } }));
}

async function setPaused(inner: MemoryProvider, id: string, paused: boolean): Promise<void> {
  await inner.subscriptions.setPaused?.(id, paused);
}

type ListWaiting = NonNullable<MemoryProvider["admin"]["listWaiting"]>;

function listWaiting(
  inner: MemoryProvider,
  ...args: Parameters<ListWaiting>
): ReturnType<ListWaiting> {
  return inner.admin.listWaiting?.(...args) ?? Promise.resolve({ items: [] });
}
