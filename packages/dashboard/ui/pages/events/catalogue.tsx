import type { VNode } from "preact";
import { useState } from "preact/hooks";
import type { EventView } from "../../../src/contract/api.ts";
import type { ApiError } from "../../api.ts";
import { Badge } from "../../components/badge.tsx";
import { Button } from "../../components/button.tsx";
import { TextField } from "../../components/field.tsx";
import { Empty, Loading, Panel, Problem } from "../../components/page.tsx";
import { plural } from "../../format.ts";
import { go, href } from "../../router.ts";

/** More are not rendered: the user narrows the list. */
const mostShown = 200;

/** The list of events, with a field that finds one, or explains any name. */
export function Catalogue(props: {
  readonly events: readonly EventView[] | undefined;
  readonly error: ApiError | undefined;
  /** The name that is open; empty: none. */
  readonly open: string;
}): VNode {
  const { events, error, open } = props;
  const [text, setText] = useState("");
  const wanted = text.trim();
  const found = events?.filter(({ name }) => name.toLowerCase().includes(wanted.toLowerCase()));
  return (
    <Panel
      title="Catalogue"
      actions={events && <span class="muted small">{plural(events.length, "event")}</span>}
      flush
    >
      <form
        class="panel-body catalogue-find"
        onSubmit={(event) => {
          event.preventDefault();
          if (wanted !== "") go(eventAddress(wanted));
        }}
      >
        <TextField
          label="Find an event, or explain a name"
          type="search"
          placeholder="order.placed"
          value={text}
          onChange={setText}
        />
        <Button type="submit" disabled={wanted === ""}>
          Explain
        </Button>
      </form>
      <Problem error={error} />
      {found === undefined && error === undefined && <Loading />}
      {found?.length === 0 && (
        <Empty title={wanted === "" ? "No events yet" : "No such event"}>
          {wanted === ""
            ? "Declare events with defineEvents(), or subscribe to one."
            : "Choose Explain to see where an event with this name would go."}
        </Empty>
      )}
      {found !== undefined && found.length > 0 && (
        <ul class="list">
          {found.slice(0, mostShown).map(({ name, declared, subscribers }) => (
            <li key={name}>
              <a href={eventAddress(name)} aria-current={name === open ? "true" : undefined}>
                <span>{name}</span>
                <span class="row nowrap">
                  {!declared && <Badge tone="warn">Not declared</Badge>}
                  <Badge tone={subscribers.length === 0 ? "warn" : "plain"}>
                    {plural(subscribers.length, "subscription")}
                  </Badge>
                </span>
              </a>
            </li>
          ))}
        </ul>
      )}
      {found !== undefined && found.length > mostShown && (
        <p class="more">
          {plural(found.length - mostShown, "more event")}. Type a part of the name.
        </p>
      )}
    </Panel>
  );
}

function eventAddress(name: string): string {
  return href(`/events/${encodeURIComponent(name)}`);
}
