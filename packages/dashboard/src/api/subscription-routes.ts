import { z } from "zod";
import type {
  ActionResult,
  CancelRequest,
  DrainRequest,
  PauseRequest,
  RetireRequest,
  WaitingPage,
} from "../contract/api.ts";
import { asRequested } from "../http/input.ts";
import { type AnyRoute, changes, reads } from "../http/route.ts";
import type { Running } from "../running.ts";
import { eventContent } from "./event-content.ts";

const text = z.string().min(1).max(1_000);

const pauseSchema: z.ZodType<PauseRequest> = z.strictObject({ everywhere: z.boolean().optional() });

const drainSchema: z.ZodType<DrainRequest> = z.strictObject({
  backlog: z.enum(["dead-letter", "discard"]).optional(),
});

const retireSchema: z.ZodType<RetireRequest> = z.strictObject({
  events: z.array(text).min(1).max(1_000).optional(),
  backlog: z.enum(["keep", "dead-letter", "discard"]).optional(),
});

const cancelSchema: z.ZodType<CancelRequest> = z.strictObject({
  eventId: text,
  subscriberId: text.optional(),
});

const waitingSchema = z.strictObject({
  eventId: text.optional(),
  cursor: text.optional(),
  limit: z.coerce.number().int().min(1).max(200).default(50),
});

/** Actions on subscriptions, and their pending deliveries. */
export function subscriptionRoutes(started: () => Running): readonly AnyRoute[] {
  return [
    ...(["pause", "resume"] as const).map((name) =>
      changes<PauseRequest>({
        path: `/subscriptions/:id/${name}`,
        body: pauseSchema,
        audit: ({ params, body: { everywhere = true } }) => ({
          action: `subscription.${name}`,
          target: params["id"]!,
          details: { everywhere },
        }),
        async handle({ params, body: { everywhere = true } }) {
          const { bus, sampler } = started();
          await bus[name](params["id"]!, { everywhere });
          sampler.forget();
          return {};
        },
      }),
    ),
    changes<DrainRequest>({
      path: "/subscriptions/:id/drain",
      body: drainSchema,
      audit: ({ params, body }) => ({
        action: "subscription.drain",
        target: params["id"]!,
        details: { ...body },
      }),
      async handle({ params, body }): Promise<ActionResult> {
        const { bus, sampler } = started();
        const count = await bus.drain(params["id"]!, body);
        sampler.forget();
        return { count };
      },
    }),
    changes<RetireRequest>({
      path: "/subscriptions/:id/retire",
      body: retireSchema,
      audit: ({ params, body }) => ({
        action: "subscription.retire",
        target: params["id"]!,
        details: { ...body },
      }),
      async handle({ params, body }): Promise<ActionResult> {
        const { bus, sampler } = started();
        const count = await bus.retire(params["id"]!, body);
        sampler.forget();
        return { count };
      },
    }),
    changes<CancelRequest>({
      path: "/cancel",
      body: cancelSchema,
      audit: ({ body: { eventId, subscriberId } }) => ({
        action: "event.cancel",
        target: eventId,
        details: subscriberId === undefined ? {} : { subscriberId },
      }),
      async handle({ body: { eventId, subscriberId } }): Promise<ActionResult> {
        const { bus, sampler } = started();
        const count = await bus.cancel(eventId, { subscriberId });
        sampler.forget();
        return { count };
      },
    }),
    reads<z.output<typeof waitingSchema>>({
      path: "/subscriptions/:id/waiting",
      query: waitingSchema,
      async handle({ params, query }): Promise<WaitingPage> {
        const { bus } = started();
        const page = await asRequested(() => bus.waiting(params["id"]!, query));
        return {
          items: page.items.map(({ event, state, dueAt }) => ({
            event: eventContent(event),
            state,
            dueAt: dueAt?.toISOString() ?? null,
          })),
          cursor: page.cursor ?? null,
        };
      },
    }),
  ];
}
