import { safeError } from "@busbar/core/provider";
import { z } from "zod";
import type { ActionResult, OutboxAction, OutboxView } from "../contract/api.ts";
import type { OutboxFeature } from "../contract/features.ts";
import { Problem } from "../http/problem.ts";
import { type AnyRoute, changes, reads } from "../http/route.ts";
import type { Running } from "../running.ts";

/** Rows that are listed. */
const LISTED = 100;

const actionSchema: z.ZodType<OutboxAction> = z.strictObject({
  ids: z
    .array(z.string().regex(/^\d{1,15}$/, "must be the id of a row"))
    .min(1)
    .max(1_000)
    .optional(),
});

/** The outbox in numbers, and the rows that were set aside. */
export function outboxRoutes(started: () => Running): readonly AnyRoute[] {
  const outbox = (): OutboxFeature => {
    const { outbox: feature } = started();
    if (!feature) throw new Problem("not-found", "This bus has no outbox");
    return feature;
  };
  const act = (name: "retry" | "discard"): AnyRoute =>
    changes<OutboxAction>({
      path: `/outbox/${name}`,
      body: actionSchema,
      audit: ({ body }) => ({
        action: `outbox.${name}`,
        target: body.ids ? body.ids.slice(0, 20).join(", ") : "all rows",
      }),
      handle: async ({ body }): Promise<ActionResult> => ({
        count: await outbox().failed[name](body.ids),
      }),
    });
  return [
    reads({
      path: "/outbox",
      async handle(): Promise<OutboxView> {
        const feature = outbox();
        const [{ oldestAt, relay, ...numbers }, rows] = await Promise.all([
          feature.inspect(),
          feature.failed.list({ limit: LISTED }),
        ]);
        const { lastError } = relay;
        return {
          ...numbers,
          oldestAt: oldestAt?.toISOString() ?? null,
          relay: {
            ...relay,
            lastError: lastError === undefined ? null : safeError(lastError).message,
          },
          rows: rows.map(({ id, eventId, name, envelope, error, attempts, createdAt }) => ({
            id,
            eventId,
            name,
            data: envelope?.data ?? null,
            error,
            attempts,
            createdAt: createdAt.toISOString(),
          })),
        };
      },
    }),
    act("retry"),
    act("discard"),
  ];
}
