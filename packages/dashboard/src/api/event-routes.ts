import {
  checkEventName,
  type JsonObject,
  type JsonValue,
  matchesPattern,
} from "@busbar/core/provider";
import { z } from "zod";
import type {
  EmitRequest,
  EmitResult,
  EventList,
  EventView,
  ExplainView,
  TailDropped,
  TailFilter,
} from "../contract/api.ts";
import type { EventStreams } from "../http/event-stream.ts";
import { asRequested } from "../http/input.ts";
import { type AnyRoute, changes, reads } from "../http/route.ts";
import { policyView } from "../overview/views.ts";
import type { Running } from "../running.ts";
import { tailFilter, tailSchema } from "./tail-filter.ts";

const emitSchema: z.ZodType<EmitRequest> = z.strictObject({
  // It comes from JSON, and the bus looks at the rest.
  data: z.unknown() as z.ZodType<JsonValue>,
  metadata: (z.record(z.string(), z.unknown()) as unknown as z.ZodType<JsonObject>).optional(),
  delayMs: z.number().int().min(0).max(31_536_000_000).optional(),
  to: z.array(z.string().min(1).max(1_000)).min(1).max(100).optional(),
});

/** Events: the catalogue, where they go, what happens to them, and tests. */
export function eventRoutes(started: () => Running, streams: EventStreams): readonly AnyRoute[] {
  return [
    reads({ path: "/events", handle: () => list(started()) }),
    reads({
      path: "/events/:name/explain",
      async handle({ params }): Promise<ExplainView> {
        const { bus } = started();
        const explanation = await asRequested(() => bus.explain(params["name"]!));
        return {
          name: explanation.name,
          declared: explanation.declared,
          subscriptions: explanation.subscriptions.map(({ policy, queue, ...subscription }) => ({
            ...subscription,
            policy: policyView(policy),
            queue: queue ?? null,
          })),
          nearMisses: explanation.nearMisses.map(({ subscriberId, event }) => ({
            subscriberId,
            pattern: event,
          })),
        };
      },
    }),
    changes<EmitRequest>({
      path: "/events/:name/emit",
      body: emitSchema,
      audit: ({ params, body: { delayMs, to } }) => ({
        action: "event.emit",
        target: params["name"]!,
        details: { ...(delayMs !== undefined && { delayMs }), ...(to && { to }) },
      }),
      async handle({ params, body: { data, metadata, delayMs, to } }): Promise<EmitResult> {
        const [eventId] = await started().bus.emit({
          name: params["name"]!,
          data,
          ...(metadata && { metadata }),
          options: { ...(delayMs !== undefined && { delay: delayMs }), ...(to && { to }) },
        });
        return { eventId };
      },
    }),
    reads<TailFilter>({
      path: "/tail",
      query: tailSchema as z.ZodType<TailFilter> & z.ZodObject,
      async handle({ query, request }) {
        const { bus } = started();
        const wants = tailFilter(query);
        return streams.open(request, async ({ send, signal }) => {
          let dropped = 0;
          for await (const entry of bus.tail({ signal })) {
            if (entry.type === "dropped") {
              dropped += entry.count;
            } else if (wants(entry) && !send("entry", entry)) {
              dropped += 1;
            }
            // It is said as soon as the client reads again.
            const gap: TailDropped = { type: "dropped", count: dropped };
            if (dropped > 0 && send("dropped", gap)) dropped = 0;
          }
        });
      },
    }),
  ];
}

/** The events of the catalogue, and those that subscriptions name. */
async function list({ sampler, declared }: Running): Promise<EventList> {
  const { subscriptions } = await sampler.overview();
  const catalogue = declared();
  const names = new Set([
    ...catalogue.keys(),
    ...subscriptions.flatMap(({ events }) =>
      events.filter((event) => checkEventName(event) === undefined && !event.includes("*")),
    ),
  ]);
  return {
    events: [...names].toSorted().map((name): EventView => {
      const event = catalogue.get(name);
      return {
        name,
        declared: event !== undefined,
        description: event?.description ?? null,
        schema: event?.schema ?? null,
        examples: event?.examples ?? [],
        subscribers: subscriptions
          .filter(({ events }) => events.some((pattern) => matchesPattern(pattern, name)))
          .map(({ subscriberId }) => subscriberId),
      };
    }),
  };
}
