import type { MemoryProvider } from "@busbar/core/memory";
import type { ProviderHarness } from "../../src/harness.ts";
import { consumes, faulty, HASTY, like, memoryProvider } from "./faulty.ts";
import type { Mutant } from "./mutants.ts";

export const partMutants: readonly Mutant[] = [
  {
    mistake: "replaces what was declared before",
    caughtBy: ["registry/additive"],
    harness: () =>
      registry((inner) => ({
        declare: async (specs) => {
          for (const { subscriptionId } of specs) {
            await inner.subscriptions.retire(subscriptionId, { backlog: "keep" });
          }
          await inner.subscriptions.declare(specs);
        },
      })),
  },
  {
    mistake: "ignores aliases",
    caughtBy: ["registry/alias-backlog", "registry/alias-dead"],
    harness: () => consumes((spec) => ({ ...spec, aliases: [] })),
  },
  {
    mistake: "retires the whole subscription with one event",
    caughtBy: ["retire/events"],
    harness: () =>
      registry((inner) => ({
        retire: (id, { backlog }) => inner.subscriptions.retire(id, { backlog }),
      })),
  },
  {
    mistake: "discards what it should keep",
    caughtBy: ["retire/keep"],
    harness: () =>
      registry((inner) => ({
        retire: (id, { events }) => inner.subscriptions.retire(id, { events, backlog: "discard" }),
      })),
  },
  {
    mistake: "discards what it should dead-letter",
    caughtBy: ["retire/dead-letter", "bus/retire"],
    harness: () =>
      registry((inner) => ({
        retire: (id, { events, backlog }) =>
          inner.subscriptions.retire(id, {
            events,
            backlog: backlog === "dead-letter" ? "discard" : backlog,
          }),
      })),
  },
  {
    mistake: "drops dead letters to make room for those of a retirement",
    caughtBy: ["retire/bound"],
    harness: () =>
      registry((inner) => ({
        retire: (id, options) =>
          makingRoom(inner, id, () => inner.subscriptions.retire(id, options)),
      })),
  },
  {
    mistake: "discards dead letters with the backlog",
    caughtBy: ["retire/dead-stay", "bus/dead-letters-of"],
    harness: () =>
      registry((inner) => ({
        retire: async (id, options) => {
          const { items } = await inner.admin.listDead(id, { limit: 1_000 });
          await inner.admin.discardDead(
            id,
            items.map((letter) => letter.id),
          );
          return inner.subscriptions.retire(id, options);
        },
      })),
  },
  {
    mistake: "remembers what was discarded",
    caughtBy: ["retire/deduplication", "retire/deduplication-in-order"],
    harness: () =>
      registry((inner) => ({
        retire: async (id, { events, backlog }) => {
          if (backlog !== "discard") return inner.subscriptions.retire(id, { events, backlog });
          const count = await inner.subscriptions.retire(id, { events, backlog: "dead-letter" });
          const { items } = await inner.admin.listDead(id, { limit: 1_000 });
          const retired = items.filter(({ reason }) => reason === "retired");
          await inner.admin.discardDead(
            id,
            retired.map((letter) => letter.id),
          );
          return count;
        },
      })),
  },
  {
    mistake: "forgets what was handled with a subscription that is retired",
    caughtBy: ["retire/deduplication"],
    harness: () => {
      let generation = 0;
      return faulty((inner) => ({
        subscriptions: {
          ...inner.subscriptions,
          retire: (id, options) => {
            generation += 1;
            return inner.subscriptions.retire(id, options);
          },
        },
        publish: (batch, options) => {
          const ofGeneration = batch.map(({ deduplicationId: id, ...it }) =>
            id === undefined ? it : { ...it, deduplicationId: `${generation} ${id}` },
          );
          return inner.publish(ofGeneration, options);
        },
      }));
    },
  },
  {
    mistake: "loses dead letters in a replay",
    caughtBy: ["admin/replay", "bus-delivery/dead-after-one"],
    harness: () =>
      faulty((inner) => ({
        admin: { ...inner.admin, replayDead: (id, ids) => inner.admin.discardDead(id, ids) },
      })),
  },
  {
    mistake: "replays to all subscriptions",
    caughtBy: ["admin/replay"],
    harness: () =>
      faulty((inner) => ({
        admin: {
          ...inner.admin,
          replayDead: async (id, ids) => {
            const { items } = await inner.admin.listDead(id, { limit: 1_000 });
            const wanted = items.filter((letter) => ids.includes(letter.id));
            const options = { deadline: performance.now() + 1_000, inHandler: true };
            await inner.publish(
              wanted.map(({ envelope }) => envelope),
              options,
            );
            return inner.admin.discardDead(id, ids);
          },
        },
      })),
  },
  {
    mistake: "keeps a dead letter that is replayed",
    caughtBy: ["admin/replay-dies-again", "admin/replay"],
    harness: () =>
      faulty((inner) => ({
        admin: {
          ...inner.admin,
          replayDead: async (id, ids) => {
            const { items } = await inner.admin.listDead(id, { limit: 1_000 });
            const wanted = items.filter((letter) => ids.includes(letter.id));
            const options = { deadline: performance.now() + 1_000, inHandler: true };
            await inner.publish(
              wanted.map(({ envelope }) => envelope),
              options,
            );
            return wanted.length;
          },
        },
      })),
  },
  {
    mistake: "finds dead letters that are gone",
    caughtBy: ["admin/get"],
    harness: () =>
      faulty((inner) => ({
        admin: {
          ...inner.admin,
          getDead: async (id) => (await inner.admin.listDead(id, { limit: 1_000 })).items,
        },
      })),
  },
  {
    mistake: "replays dead letters with their own data instead of other data",
    caughtBy: ["admin/replay-other-data"],
    harness: () =>
      faulty((inner) => ({
        admin: { ...inner.admin, replayDead: (id, ids) => inner.admin.replayDead(id, ids) },
      })),
  },
  {
    mistake: "lists the first page again and again",
    caughtBy: ["admin/paging"],
    harness: () =>
      faulty((inner) => ({
        admin: {
          ...inner.admin,
          listDead: async (id, { limit }) => {
            const page = await inner.admin.listDead(id, { limit });
            return page;
          },
        },
      })),
  },
  {
    mistake: "keeps dead letters beyond their bound",
    caughtBy: ["admin/bound-by-number", "admin/bound-by-age"],
    harness: () =>
      faulty((inner) => ({
        start: (context) =>
          inner.start({ ...context, deadLetters: { maxPerSubscription: 1_000, maxAgeMs: 1e9 } }),
      })),
  },
  {
    mistake: "counts what is delayed as ready",
    caughtBy: ["admin/stats"],
    harness: () =>
      faulty((inner) => ({
        admin: {
          ...inner.admin,
          stats: async () =>
            (await inner.admin.stats()).map((it) => ({
              ...it,
              ready: it.ready + it.delayed,
              delayed: 0,
            })),
        },
      })),
  },
  {
    mistake: "declares something when it is probed",
    caughtBy: ["probe/changes-nothing"],
    harness: () =>
      faulty((inner) => ({
        probe: async () => {
          const probe = { subscriptionId: "probe", events: ["probe"], aliases: [] } as const;
          const spec = { ...probe, ordering: "none", onOrderedFailure: "park" } as const;
          await inner.subscriptions.declare([spec]).catch(() => {});
          return inner.probe();
        },
      })),
  },
  {
    mistake: "is always well when it is probed",
    caughtBy: ["probe/ok"],
    harness: () => faulty(() => ({ probe: async () => ({ ok: true }) })),
  },
  {
    mistake: "ignores namespaces",
    caughtBy: ["namespaces/isolate", "namespaces/isolate-lists"],
    harness: () => {
      const inner = memoryProvider();
      let started: Promise<void> | undefined;
      return {
        create: () =>
          like(inner, {
            start: (context) => (started ??= inner.start(context)),
            stop: () => Promise.resolve(),
          }),
        timing: HASTY,
      };
    },
  },
];

/** Discards all dead letters if `move` finds no room for more, and lets it go on. */
export async function makingRoom(
  inner: MemoryProvider,
  id: string,
  move: () => Promise<number>,
): Promise<number> {
  const count = await move();
  const [stats] = await inner.admin.stats();
  if (!stats || stats.ready === 0 || stats.dead === 0) return count;
  const { items } = await inner.admin.listDead(id, { limit: 1_000 });
  await inner.admin.discardDead(
    id,
    items.map((letter) => letter.id),
  );
  return count + (await move());
}

function registry(
  change: (inner: MemoryProvider) => Partial<MemoryProvider["subscriptions"]>,
): ProviderHarness {
  return faulty((inner) => ({ subscriptions: { ...inner.subscriptions, ...change(inner) } }));
}
