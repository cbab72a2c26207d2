import { z } from "zod";
import type { ReplayOptions, Replays } from "../../contract/delivery.ts";
import { notFound } from "../../errors.ts";
import { LINK_HEADER, pageAnswer, pageOf, pageOptions, pageQuery } from "../paging.ts";
import { type AnyRoute, route } from "../route.ts";
import { countSchema, eventReplaySchema, idParams, moment, replaySchema } from "../schemas.ts";
import { logQuery, logQueryOf } from "./log-routes.ts";

const perSecond = z
  .number()
  .positive()
  .max(100_000)
  .optional()
  .meta({ description: "Deliveries that are begun in a second. No limit without it." });

const replayBody = z
  .strictObject({
    ...logQuery,
    to: z
      .enum(["original", "matched"], { error: "must be original or matched" })
      .default("original")
      .meta({
        description:
          "`original`: the deliveries that there were. `matched`: the events anew, for the subscriptions that want them now.",
      }),
    perSecond,
    dryRun: z.boolean().default(false).meta({ description: "Only count the deliveries." }),
  })
  .meta({ id: "ReplayRequest", description: "Which deliveries are made again." });

const recoverBody = z
  .strictObject({
    since: moment.meta({ description: "What has failed at this time or later." }),
    subscriptionId: z.string().min(1).max(200).optional(),
    perSecond,
  })
  .meta({ id: "RecoverRequest", description: "Since when failed deliveries are made again." });

/** The resources of replays. */
export function replayRoutes(replays: Replays): readonly AnyRoute[] {
  const accepted = {
    202: {
      description: "The replay has begun. It goes on in any process.",
      schema: replaySchema,
      headers: { location: "The replay." },
    },
  };
  return [
    route({
      method: "POST",
      path: "/replays",
      id: "startReplay",
      tag: "Replays",
      summary: "Deliver everything that matches again",
      permission: "webhooks.logs.replay",
      body: replayBody,
      responses: {
        ...accepted,
        200: { description: "With `dryRun`: the number.", schema: countSchema },
      },
      handle: async ({ body, caller }) => {
        const options: ReplayOptions = {
          ...logQueryOf(body),
          to: body.to,
          perSecond: body.perSecond,
          by: caller.name,
        };
        if (body.dryRun) return { status: 200, body: { count: await replays.count(options) } };
        const replay = await replays.start(options);
        return { status: 202, body: replay, headers: { location: `replays/${replay.id}` } };
      },
    }),
    route({
      method: "GET",
      path: "/replays",
      id: "listReplays",
      tag: "Replays",
      summary: "List replays, newest first",
      permission: "webhooks.logs.replay",
      query: z.strictObject(pageQuery),
      responses: {
        200: { description: "A page.", schema: pageOf(replaySchema), headers: LINK_HEADER },
      },
      handle: async ({ query, url }) => pageAnswer(await replays.list(pageOptions(query)), url),
    }),
    route({
      method: "GET",
      path: "/replays/{id}",
      id: "getReplay",
      tag: "Replays",
      summary: "See how far a replay is",
      permission: "webhooks.logs.replay",
      params: idParams,
      responses: { 200: { description: "The replay.", schema: replaySchema } },
      handle: async ({ params: { id } }) => {
        const replay = await replays.get(id);
        if (!replay) throw notFound("replay", id);
        return { status: 200, body: replay };
      },
    }),
    route({
      method: "POST",
      path: "/replays/{id}/cancel",
      id: "cancelReplay",
      tag: "Replays",
      summary: "End a replay",
      description: "Deliveries that it has begun go on.",
      permission: "webhooks.logs.replay",
      params: idParams,
      responses: { 200: { description: "The replay as it is now.", schema: replaySchema } },
      handle: async ({ params: { id } }) => ({ status: 200, body: await replays.cancel(id) }),
    }),
    route({
      method: "POST",
      path: "/events/{id}/replay",
      id: "replayEvent",
      tag: "Replays",
      summary: "Match an event anew, and deliver it to each subscription that wants it now",
      description:
        "Also an event whose payload could not be made: then `deliveries` is null, as the payload is being made again.",
      permission: "webhooks.logs.replay",
      params: idParams,
      responses: {
        202: { description: "The deliveries wait for their attempts.", schema: eventReplaySchema },
      },
      handle: async ({ params: { id }, caller }) => ({
        status: 202,
        body: await replays.event(id, { by: caller.name }),
      }),
    }),
    route({
      method: "POST",
      path: "/recover",
      id: "recover",
      tag: "Replays",
      summary: "Deliver again what has failed since a time, and was not delivered afterwards",
      permission: "webhooks.logs.replay",
      body: recoverBody,
      responses: accepted,
      handle: async ({ body, caller }) => {
        const replay = await replays.recover(new Date(body.since), {
          by: caller.name,
          perSecond: body.perSecond,
          subscriptionId: body.subscriptionId,
        });
        return { status: 202, body: replay, headers: { location: `replays/${replay.id}` } };
      },
    }),
  ];
}
