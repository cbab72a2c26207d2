import type {
  History,
  InstanceList,
  Overview,
  SubscriptionHistory,
  SubscriptionList,
} from "../contract/api.ts";
import type { EventStreams } from "../http/event-stream.ts";
import { type AnyRoute, reads } from "../http/route.ts";
import type { Running } from "../running.ts";

/** The numbers of the bus, once and live. */
export function overviewRoutes(started: () => Running, streams: EventStreams): readonly AnyRoute[] {
  return [
    reads({ path: "/overview", handle: (): Promise<Overview> => started().sampler.overview() }),
    reads({
      path: "/instances",
      async handle(): Promise<InstanceList> {
        const { instances } = await started().sampler.overview();
        return { instances };
      },
    }),
    reads({
      path: "/subscriptions",
      async handle(): Promise<SubscriptionList> {
        const { at, subscriptions, statsLagMs } = await started().sampler.overview();
        return { at, subscriptions, statsLagMs };
      },
    }),
    reads({
      path: "/subscriptions/:id/history",
      async handle({ params }): Promise<SubscriptionHistory> {
        return { samples: started().sampler.samplesOf(params["id"]!) };
      },
    }),
    reads({
      path: "/live",
      async handle({ request }) {
        const { sampler } = started();
        return streams.open(request, async ({ send, signal }) => {
          send("history", { samples: sampler.samples } satisfies History);
          send("overview", await sampler.overview());
          await sampler.watch((overview) => void send("overview", overview), signal);
        });
      },
    }),
  ];
}
