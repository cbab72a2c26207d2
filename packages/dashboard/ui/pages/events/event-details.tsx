import type { VNode } from "preact";
import { useState } from "preact/hooks";
import type { EventView, ExplainView } from "../../../src/contract/api.ts";
import { useApi } from "../../api.ts";
import { Badge } from "../../components/badge.tsx";
import { Button } from "../../components/button.tsx";
import { JsonView } from "../../components/json-view.tsx";
import { Empty, Loading, Panel, Problem } from "../../components/page.tsx";
import { useReadOnly } from "../../session.ts";
import { EmitDialog } from "./emit-dialog.tsx";
import { Explanation } from "./explanation.tsx";

/** One event: its subscriptions, the shape of its data, and a button that emits one. */
export function EventDetails(props: {
  /** Empty: no event is open. */
  readonly name: string;
  /** Undefined: nobody has declared it, and no subscription names it. */
  readonly event: EventView | undefined;
}): VNode {
  const { name, event } = props;
  const readOnly = useReadOnly();
  const [isEmitting, setEmitting] = useState(false);
  const explanation = useApi<ExplainView>(
    name === "" ? undefined : `api/events/${encodeURIComponent(name)}/explain`,
  );
  if (name === "") {
    return (
      <Panel>
        <Empty title="Choose an event">
          Its schema, its examples and its subscriptions will be shown here.
        </Empty>
      </Panel>
    );
  }
  const { data, error } = explanation;
  return (
    <Panel
      title={<span class="mono">{name}</span>}
      actions={
        <>
          {data?.declared === false && <Badge tone="warn">Not declared</Badge>}
          <Button kind="primary" reason={readOnly} onClick={() => setEmitting(true)}>
            Emit a test event…
          </Button>
        </>
      }
    >
      {typeof event?.description === "string" && <p>{event.description}</p>}
      <Problem error={error} />
      {data === undefined && error === undefined && <Loading />}
      {data !== undefined && <Explanation explanation={data} />}
      {event !== undefined && (
        <div class="columns">
          {event.examples.length > 0 && (
            <div class="stack-tight">
              <h3>{event.examples.length === 1 ? "Example" : "Examples"}</h3>
              {event.examples.map((example, index) => (
                <JsonView key={index} value={example} label={`example ${index + 1}`} />
              ))}
            </div>
          )}
          {event.schema !== null && (
            <div class="stack-tight">
              <h3>Schema</h3>
              <JsonView value={event.schema} label="the schema" />
            </div>
          )}
        </div>
      )}
      {isEmitting && (
        <EmitDialog
          name={name}
          schema={event?.schema ?? null}
          examples={event?.examples ?? []}
          subscriptions={data?.subscriptions.map(({ subscriberId }) => subscriberId)}
          onClose={() => setEmitting(false)}
        />
      )}
    </Panel>
  );
}
