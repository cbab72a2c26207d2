import type { DeadLetter, DeadLetterFilter, DeadReason } from "@busbar/core";
import type { JsonObject, JsonValue } from "@busbar/core/provider";
import { z } from "zod";
import type {
  ActionResult,
  DeadAction,
  DeadCount,
  DeadFilter,
  DeadPage,
  DeadSummary,
  DeadView,
  JobView,
  ReplayRequest,
} from "../contract/api.ts";
import { asRequested } from "../http/input.ts";
import { Problem } from "../http/problem.ts";
import { type AnyRoute, changes, reads, type RouteInput } from "../http/route.ts";
import type { Jobs } from "../jobs.ts";
import type { Running } from "../running.ts";
import { eventContent } from "./event-content.ts";

/** Milliseconds that a page may take to find. */
const BUDGET_MS = 200;
/** Dead letters that one request counts at most: they are read whole. */
const MOST_COUNTED = 10_000;
/** Dead letters that one action may name. */
const MOST_IDS = 1_000;

const text = z.string().min(1).max(1_000);

const filterShape = {
  subscriberId: text.optional(),
  eventName: text.optional(),
  reason: text.optional(),
  error: text.optional(),
  text: text.optional(),
  diedAfter: z.iso.datetime({ offset: true }).optional(),
  diedBefore: z.iso.datetime({ offset: true }).optional(),
};

const listSchema = z.strictObject({
  ...filterShape,
  cursor: text.optional(),
  limit: z.coerce.number().int().min(1).max(200).default(50),
});

const countSchema = z.strictObject({ ...filterShape, cursor: text.optional() });

const actionSchema: z.ZodType<DeadAction> = z.union([
  z.strictObject({ subscriberId: text, ids: z.array(text).min(1).max(MOST_IDS) }),
  z.strictObject({ where: z.strictObject(filterShape) }),
]);

const replaySchema: z.ZodType<ReplayRequest> = z.strictObject({
  // It comes from JSON, and the bus looks at the rest.
  data: z.unknown().optional() as z.ZodOptional<z.ZodType<JsonValue>>,
});

/** Dead letters: to find, to read, to replay and to discard. */
export function deadRoutes(started: () => Running, jobs: Jobs): readonly AnyRoute[] {
  return [
    reads<z.output<typeof listSchema>>({
      path: "/dead",
      query: listSchema,
      async handle({ query: { cursor, limit, ...filter } }): Promise<DeadPage> {
        const { items, ...page } = await find(started(), filter, limit, cursor);
        return { items: items.map(summary), ...page };
      },
    }),
    reads<z.output<typeof countSchema>>({
      path: "/dead/count",
      query: countSchema,
      async handle({ query: { cursor, ...filter } }): Promise<DeadCount> {
        const { items, ...page } = await find(started(), filter, MOST_COUNTED, cursor);
        return { count: items.length, ...page };
      },
    }),
    reads({
      path: "/dead/:subscriberId/:id",
      async handle({ params }): Promise<DeadView> {
        const { bus, declared } = started();
        const letter = await bus.deadLetters.get(params["subscriberId"]!, params["id"]!);
        const { id, subscriberId, event, reason, attempts, diedAt, errors } = letter;
        return {
          id,
          subscriberId,
          event: eventContent(event),
          reason,
          attempts,
          diedAt: diedAt.toISOString(),
          errors: errors.map(({ at, ...error }) => ({ at: at.toISOString(), ...error })),
          schema: declared().get(event.name)?.schema ?? null,
        };
      },
    }),
    action("replay", started, jobs),
    action("discard", started, jobs),
    changes<ReplayRequest>({
      path: "/dead/:subscriberId/:id/replay",
      body: replaySchema,
      audit: ({ params, body }) => ({
        action: "dead.replay",
        target: `${params["subscriberId"]} ${params["id"]}`,
        details: { edited: body.data !== undefined },
      }),
      async handle({ params, body: { data } }): Promise<ActionResult> {
        const { deadLetters } = started().bus;
        const [subscriberId, id] = [params["subscriberId"]!, params["id"]!];
        const count = await deadLetters.replay(
          subscriberId,
          [id],
          data === undefined ? {} : { data },
        );
        if (count === 0) throw new Problem("not-found", "There is no such dead letter any more");
        return { count };
      },
    }),
  ];
}

/** Finds as many dead letters as there is time for, and says how many there are without the filter. */
async function find(
  { bus }: Running,
  filter: DeadFilter,
  limit: number,
  cursor: string | undefined,
): Promise<Omit<DeadPage, "items"> & { readonly items: readonly DeadLetter[] }> {
  const { subscriberId } = filter;
  const [page, total] = await Promise.all([
    asRequested(() =>
      bus.deadLetters.search(whereOf(filter), { limit, cursor, budgetMs: BUDGET_MS }),
    ),
    bus.deadLetters.count(subscriberId === undefined ? {} : { subscriberId }),
  ]);
  return { items: page.items, looked: page.looked, cursor: page.cursor ?? null, total };
}

function action(name: "replay" | "discard", started: () => Running, jobs: Jobs): AnyRoute {
  const audit = ({ body }: RouteInput<Record<string, never>, DeadAction>) => ({
    action: `dead.${name}`,
    target: "ids" in body ? `${body.subscriberId} ${body.ids.slice(0, 20).join(", ")}` : "filter",
    details: "ids" in body ? {} : { where: { ...body.where } as JsonObject },
  });
  return changes<DeadAction>({
    path: `/dead/${name}`,
    body: actionSchema,
    audit,
    async handle(input): Promise<ActionResult | Response> {
      const { body, caller } = input;
      const { deadLetters } = started().bus;
      if ("ids" in body) return { count: await deadLetters[name](body.subscriberId, body.ids) };
      const where = whereOf(body.where);
      // The request itself is rejected if its filter is wrong, not a job later.
      await asRequested(() => deadLetters.search(where, { limit: 1, budgetMs: 0 }));
      const job: JobView = jobs.start({
        what: `${name} dead letters`,
        audit: { ...audit(input), caller: caller?.name ?? "" },
        run: (signal, onProgress) =>
          name === "replay"
            ? deadLetters.replayWhere(where, { signal, onProgress })
            : deadLetters.discardWhere(where, { signal, onProgress }),
      });
      return Response.json(job, { status: 202 });
    },
  });
}

function whereOf({ reason, diedAfter, diedBefore, ...others }: DeadFilter): DeadLetterFilter {
  return {
    ...others,
    ...(reason !== undefined && { reason: reason as DeadReason }),
    ...(diedAfter !== undefined && { diedAfter: new Date(diedAfter) }),
    ...(diedBefore !== undefined && { diedBefore: new Date(diedBefore) }),
  };
}

function summary({
  id,
  subscriberId,
  event,
  reason,
  attempts,
  diedAt,
  errors,
}: DeadLetter): DeadSummary {
  const last = errors.at(-1);
  return {
    id,
    subscriberId,
    eventId: event.id,
    eventName: event.name,
    reason,
    attempts,
    diedAt: diedAt.toISOString(),
    error: last ? { name: last.name, message: last.message } : null,
  };
}
