import { setImmediate } from "node:timers/promises";
import type { Envelope, JsonValue } from "@busbar/core/provider";
import type { ProviderHarness } from "../../src/harness.ts";
import { consumes, faulty, faultyDelivery, faultyEnvelopes } from "./faulty.ts";
import type { Mutant } from "./mutants.ts";

const mangled = (change: (data: JsonValue) => JsonValue) =>
  faultyEnvelopes((it) => ({ ...it, data: change(it.data) }));

export const fidelityMutants: readonly Mutant[] = [
  {
    mistake: "says that payloads are fresh, and shares them",
    caughtBy: ["fidelity/fresh", "bus-delivery/payload-isolation"],
    harness: () =>
      faulty((inner) => ({ capabilities: { ...inner.capabilities, payload: "fresh" } })),
    without: () =>
      faulty((inner) => ({
        capabilities: { ...inner.capabilities, payload: "fresh" },
        publish: (batch, options) => inner.publish(structuredClone(batch), options),
        consume: (spec, deliver) => inner.consume(spec, (it) => deliver(structuredClone(it))),
      })),
  },
  {
    mistake: "refuses all emits of a turn for what one of them has",
    caughtBy: ["bus/neighbours"],
    harness: () => refusesLarge(true),
    without: () => refusesLarge(false),
  },
  {
    mistake: "sorts the members of objects",
    caughtBy: ["fidelity/key-order"],
    harness: () => mangled(sorted),
  },
  {
    mistake: "forgets what the emitter said of delivery when an event comes again",
    caughtBy: ["fidelity/comes-again"],
    harness: () =>
      faultyDelivery((deliver) => (it) => {
        const isFirst = it.state === undefined && it.crashes === 0;
        return deliver(isFirst ? it : { ...it, envelope: { ...it.envelope, policy: undefined } });
      }),
  },
  {
    mistake: "leaves characters out of subscription ids",
    caughtBy: ["bus/anonymous"],
    harness: () =>
      consumes((spec) => ({ ...spec, subscriptionId: spec.subscriptionId.replaceAll("#", "") })),
  },
  {
    mistake: "buries an event without its metadata",
    caughtBy: ["fidelity/comes-again"],
    harness: () =>
      faulty((inner) => ({
        admin: {
          ...inner.admin,
          listDead: async (id, page) => {
            const { items, ...rest } = await inner.admin.listDead(id, page);
            const { created_at, published_at, correlationId } = items[0]?.envelope.metadata ?? {
              created_at: 0,
              published_at: 0,
              correlationId: "",
            };
            const metadata = { created_at, published_at, correlationId };
            return {
              ...rest,
              items: items.map((it) => ({ ...it, envelope: { ...it.envelope, metadata } })),
            };
          },
        },
      })),
  },
  {
    mistake: "answers no, when the deadline has passed, and delivers all the same",
    caughtBy: ["batch/deadline-passed"],
    harness: () =>
      faulty((inner) => ({
        publish: async (batch, options) => {
          const results = await inner.publish(batch, options);
          const late = { ...refused, reason: "too late" } as const;
          return options.deadline < performance.now() ? batch.map(() => late) : results;
        },
      })),
  },
  {
    mistake: "never answers when the deadline has passed",
    caughtBy: ["batch/deadline-passed"],
    harness: () =>
      faulty((inner) => ({
        publish: (batch, options) =>
          options.deadline < performance.now()
            ? new Promise(() => {})
            : inner.publish(batch, options),
      })),
  },
  {
    mistake: "writes on what it is given",
    caughtBy: ["fidelity/untouched"],
    harness: () =>
      faultyEnvelopes((it) => Object.assign(it, { metadata: { ...it.metadata, by: "memory" } })),
  },
  {
    mistake: "changes a colon in an id",
    caughtBy: ["fidelity/any-id"],
    harness: () => faultyEnvelopes((it) => ({ ...it, id: it.id.replaceAll(":", "_") })),
  },
  {
    mistake: "reads an id that looks like a number as one",
    caughtBy: ["fidelity/any-id"],
    harness: () =>
      faultyEnvelopes((it) => ({
        ...it,
        id: /^-?\d/.test(it.id) ? String(Number.parseFloat(it.id)) : it.id,
      })),
  },
  {
    mistake: "deduplicates by event id",
    caughtBy: ["fidelity/id-twice", "bus/same-id-twice"],
    harness: () => {
      const seen = new Set<string>();
      return faulty((inner) => ({
        publish: (batch, options) => {
          const fresh = batch.filter(({ id }) => !seen.has(id) && seen.add(id));
          return inner
            .publish(fresh, options)
            .then((results) =>
              batch.map((it) => results[fresh.indexOf(it)] ?? results[0] ?? ok(1)),
            );
        },
      }));
    },
  },
  {
    mistake: "writes text as Latin-1",
    caughtBy: ["fidelity/unicode", "fidelity/escapes"],
    harness: () =>
      mangled((data) =>
        typeof data === "string" ? Buffer.from(data, "latin1").toString("latin1") : data,
      ),
  },
  {
    mistake: "ends text at U+0000",
    caughtBy: ["fidelity/escapes"],
    harness: () =>
      mangled((data) => (typeof data === "string" ? (data.split("\0")[0] ?? data) : data)),
  },
  {
    mistake: "keeps numbers in single precision",
    caughtBy: ["fidelity/numbers"],
    harness: () => mangled((data) => (typeof data === "number" ? Math.fround(data) : data)),
  },
  {
    mistake: "drops members that are null",
    caughtBy: ["fidelity/empty"],
    harness: () =>
      mangled(
        (data) =>
          JSON.parse(
            JSON.stringify(data, (_, it: unknown) => it ?? undefined) ?? "null",
          ) as JsonValue,
      ),
  },
  {
    mistake: "copies members by assignment, and so loses __proto__",
    caughtBy: ["fidelity/proto-key"],
    harness: () =>
      mangled((data) => {
        if (typeof data !== "object" || data === null || Array.isArray(data)) return data;
        const copy: Record<string, JsonValue | undefined> = {};
        for (const [key, value] of Object.entries(data)) copy[key] = value;
        return copy;
      }),
  },
  {
    mistake: "carries the metadata that it knows",
    caughtBy: ["fidelity/metadata", "bus-delivery/event", "bus-delivery/causation-depth"],
    harness: () =>
      faultyEnvelopes((it) => {
        const { created_at, published_at, correlationId, causationId, eventGroupId } = it.metadata;
        const metadata = { created_at, published_at, correlationId, causationId, eventGroupId };
        return { ...it, metadata };
      }),
  },
  {
    mistake: "forgets the emitter's policy",
    caughtBy: ["fidelity/members", "bus-delivery/emit-options"],
    harness: () => faultyEnvelopes((it) => ({ ...it, policy: undefined })),
  },
  {
    mistake: "refuses payloads of a megabyte",
    caughtBy: ["fidelity/megabyte", "bus/largest-payload"],
    harness: () =>
      faulty((inner) => ({
        publish: (batch, options) =>
          JSON.stringify(batch).length > 262_144
            ? Promise.resolve(batch.map(() => refused))
            : inner.publish(batch, options),
      })),
  },
  {
    mistake: "ignores patterns",
    caughtBy: ["routing/one-segment", "routing/everything"],
    harness: () => declares((events) => events.filter((event) => !event.includes("*"))),
  },
  {
    mistake: "takes * for any number of segments",
    caughtBy: ["routing/one-segment"],
    harness: () => declares((events) => events.map((it) => it.replace(/\.\*$/, ".**"))),
  },
  {
    mistake: "ignores case in names",
    caughtBy: ["routing/exact"],
    harness: () => faultyEnvelopes((it) => ({ ...it, name: it.name.toLowerCase() })),
  },
  {
    mistake: "delivers once per pattern that fits",
    caughtBy: ["routing/overlap"],
    harness: () => {
      const patterns = new Map<string, number>();
      const channel = faulty((inner) => ({
        subscriptions: {
          ...inner.subscriptions,
          declare: (specs) => {
            for (const { subscriptionId, events } of specs)
              patterns.set(subscriptionId, events.length);
            return inner.subscriptions.declare(specs);
          },
        },
        consume: (spec, deliver) =>
          inner.consume(spec, async (it) => {
            for (let count = 2; count < (patterns.get(spec.subscriptionId) ?? 1); count++)
              await deliver(it);
            return deliver(it);
          }),
      }));
      return channel;
    },
  },
];

/** Refuses an event that is large, and with `isWhole` all that is published in the same turn. */
function refusesLarge(isWhole: boolean): ProviderHarness {
  const isLarge = ({ data }: Envelope): boolean => typeof data === "string" && data.length > 10_000;
  const harness = faulty((inner) => {
    let isRefusing = false;
    return {
      async publish(batch, options) {
        isRefusing ||= isWhole && batch.some(isLarge);
        await setImmediate();
        const isRefused = isRefusing || batch.some(isLarge);
        await setImmediate();
        isRefusing = false;
        return isRefused ? batch.map(() => refused) : inner.publish(batch, options);
      },
    };
  });
  return { ...harness, refusesAboveBytes: 10_000 };
}

const byKey = ([a]: readonly [string, JsonValue], [b]: readonly [string, JsonValue]) =>
  a < b ? -1 : 1;

/** As a store does that keeps members of objects by their names. */
function sorted(value: JsonValue): JsonValue {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(sorted);
  const members = Object.entries(value as Record<string, JsonValue>).toSorted(byKey);
  return Object.fromEntries(members.map(([key, member]) => [key, sorted(member)]));
}

const refused = { status: "rejected", code: "refused", reason: "too big" } as const;

function ok(subscriptions: number) {
  return { status: "accepted", subscriptions } as const;
}

/** Declares other events than it is told. */
function declares(change: (events: readonly string[]) => readonly string[]): ProviderHarness {
  return faulty((inner) => ({
    subscriptions: {
      ...inner.subscriptions,
      declare: (specs) =>
        inner.subscriptions.declare(
          specs.map((spec) => ({ ...spec, events: change(spec.events) })),
        ),
    },
    consume: (spec, deliver) => inner.consume({ ...spec, events: change(spec.events) }, deliver),
  }));
}
