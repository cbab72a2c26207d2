import type { VNode } from "preact";
import type { EventList } from "../../src/contract/api.ts";
import { useApi } from "../api.ts";
import { Page } from "../components/page.tsx";
import { restOf, usePlace } from "../router.ts";
import { Catalogue } from "./events/catalogue.tsx";
import { EventDetails } from "./events/event-details.tsx";
import { Tail } from "./events/tail.tsx";

const renewMs = 10_000;

/** The events that there are, who gets them and why, and what happens to them as it happens. */
export function Content(): VNode {
  const { path } = usePlace();
  const name = restOf(path, "/events");
  const { data, error } = useApi<EventList>("api/events", { everyMs: renewMs });
  return (
    <Page
      title="Events"
      lead="The catalogue of this bus, the subscriptions that get each event, and what happens to the events."
    >
      <div class="split">
        <Catalogue events={data?.events} error={error} open={name} />
        <EventDetails
          key={name}
          name={name}
          event={data?.events.find((event) => event.name === name)}
        />
      </div>
      <Tail key={`tail ${name}`} name={name} />
    </Page>
  );
}
