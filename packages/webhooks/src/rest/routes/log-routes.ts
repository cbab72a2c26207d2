import { z } from "zod";
import type { DeliveryLog, LogQuery, Replays } from "../../contract/delivery.ts";
import { notFound } from "../../errors.ts";
import { LINK_HEADER, pageAnswer, pageOf, pageOptions, pageQuery } from "../paging.ts";
import { type AnyRoute, route } from "../route.ts";
import {
  attemptSchema,
  countSchema,
  deliverySchema,
  idParams,
  moment,
  traceSchema,
} from "../schemas.ts";

/** The parameters of a search in the log. */
export const logQuery: {
  readonly query: z.ZodOptional<z.ZodString>;
  readonly since: z.ZodOptional<z.ZodType<string>>;
  readonly until: z.ZodOptional<z.ZodType<string>>;
} = {
  query: z
    .string()
    .max(4_096)
    .optional()
    .meta({
      description: "In Lucene's syntax. Everything without it.",
      examples: ["event_name: customer.* AND success: false"],
    }),
  since: moment.optional().meta({ description: "Only what began at this time or later." }),
  until: moment.optional().meta({ description: "Only what began before this time." }),
};

/** What a search asks for, in the words of the log. */
export function logQueryOf(given: {
  readonly query?: string | undefined;
  readonly since?: string | undefined;
  readonly until?: string | undefined;
}): LogQuery {
  return {
    query: given.query,
    since: given.since === undefined ? undefined : new Date(given.since),
    until: given.until === undefined ? undefined : new Date(given.until),
  };
}

/** The resources of the delivery log. */
export function logRoutes(log: DeliveryLog, replays: Replays): readonly AnyRoute[] {
  return [
    route({
      method: "GET",
      path: "/deliveries",
      id: "listDeliveries",
      tag: "Deliveries",
      summary: "Search deliveries, newest first",
      permission: "webhooks.logs.list",
      query: z.strictObject({ ...logQuery, ...pageQuery }),
      responses: {
        200: { description: "A page.", schema: pageOf(deliverySchema), headers: LINK_HEADER },
      },
      handle: async ({ query, url }) =>
        pageAnswer(await log.deliveries(logQueryOf(query), pageOptions(query)), url),
    }),
    route({
      method: "GET",
      path: "/deliveries/{id}",
      id: "traceDelivery",
      tag: "Deliveries",
      summary: "Read a delivery with its payload and all its attempts",
      permission: "webhooks.logs.trace",
      params: idParams,
      responses: { 200: { description: "The delivery.", schema: traceSchema } },
      handle: async ({ params: { id } }) => {
        const trace = await log.trace(id);
        if (!trace) throw notFound("delivery", id);
        return { status: 200, body: trace };
      },
    }),
    route({
      method: "POST",
      path: "/deliveries/{id}/replay",
      id: "replayDelivery",
      tag: "Deliveries",
      summary: "Deliver again, whatever the state of the delivery",
      description:
        "The payload is the one in the store. The id of the delivery stays the same. A retry that waits is superseded.",
      permission: "webhooks.logs.replay",
      params: idParams,
      responses: {
        202: { description: "The delivery waits for its attempt.", schema: deliverySchema },
      },
      handle: async ({ params: { id }, caller }) => ({
        status: 202,
        body: await replays.delivery(id, { by: caller.name }),
      }),
    }),
    route({
      method: "POST",
      path: "/deliveries/{id}/cancel",
      id: "cancelDelivery",
      tag: "Deliveries",
      summary: "Cancel a delivery that waits",
      permission: "webhooks.logs.replay",
      params: idParams,
      responses: { 200: { description: "The delivery as it is now.", schema: deliverySchema } },
      handle: async ({ params: { id }, caller }) => ({
        status: 200,
        body: await log.cancel(id, { by: caller.name }),
      }),
    }),
    route({
      method: "GET",
      path: "/attempts",
      id: "listAttempts",
      tag: "Deliveries",
      summary: "Search attempts, newest first",
      permission: "webhooks.logs.list",
      query: z.strictObject({ ...logQuery, ...pageQuery }),
      responses: {
        200: { description: "A page.", schema: pageOf(attemptSchema), headers: LINK_HEADER },
      },
      handle: async ({ query, url }) =>
        pageAnswer(await log.attempts(logQueryOf(query), pageOptions(query)), url),
    }),
    route({
      method: "GET",
      path: "/attempts/count",
      id: "countAttempts",
      tag: "Deliveries",
      summary: "Count the attempts that match",
      permission: "webhooks.logs.list",
      query: z.strictObject(logQuery),
      responses: { 200: { description: "The number.", schema: countSchema } },
      handle: async ({ query }) => ({
        status: 200,
        body: { count: await log.count(logQueryOf(query)) },
      }),
    }),
    route({
      method: "GET",
      path: "/attempts/export",
      id: "exportAttempts",
      tag: "Deliveries",
      summary: "Export all attempts that match",
      description: "The answer is streamed, with one line for each attempt.",
      permission: "webhooks.logs.list",
      query: z.strictObject({
        ...logQuery,
        format: z.enum(["csv", "ndjson"], { error: "must be csv or ndjson" }).default("csv"),
      }),
      responses: {
        200: {
          description: "The attempts.",
          schema: z.string(),
          mediaTypes: ["text/csv", "application/x-ndjson"],
        },
      },
      handle: async ({ query, request }) => {
        const body = await begun(log.export(logQueryOf(query), query.format));
        if (request.method === "HEAD") await body.cancel();
        const type = query.format === "csv" ? "text/csv; charset=utf-8" : "application/x-ndjson";
        return new Response(body.pipeThrough(new TextEncoderStream()), {
          headers: {
            "content-type": type,
            "content-disposition": `attachment; filename="attempts.${query.format}"`,
          },
        });
      },
    }),
  ];
}

/** A stream that has begun: a query that is wrong rejects here, while the status can still say so. */
async function begun(stream: ReadableStream<string>): Promise<ReadableStream<string>> {
  const reader = stream.getReader();
  let next: Awaited<ReturnType<typeof reader.read>> | undefined = await reader.read();
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = next ?? (await reader.read());
      next = undefined;
      if (done) controller.close();
      else controller.enqueue(value);
    },
    cancel: (reason) => reader.cancel(reason),
  });
}
