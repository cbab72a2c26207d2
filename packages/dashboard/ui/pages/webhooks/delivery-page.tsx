import type { VNode } from "preact";
import { send, useApi } from "../../api.ts";
import { Button } from "../../components/button.tsx";
import { useConfirm } from "../../components/confirm.tsx";
import { JsonView } from "../../components/json-view.tsx";
import { Empty, Loading, Page, Panel, Problem } from "../../components/page.tsx";
import { Time } from "../../components/time.tsx";
import { useToast } from "../../components/toast-context.ts";
import { formatDuration } from "../../format.ts";
import { href } from "../../router.ts";
import { useReadOnly } from "../../session.ts";
import { AttemptBadge, DeliveryBadge } from "./states.tsx";
import { Timeline } from "./timeline.tsx";
import type { AttemptView, DeliveryView, TraceView } from "./views.ts";

const renewMs = 5_000;

/** One delivery from its first attempt to its latest. */
export function DeliveryPage({ id }: { readonly id: string }): VNode {
  const path = `api/webhooks/deliveries/${encodeURIComponent(id)}`;
  const trace = useApi<TraceView>(path, { everyMs: renewMs });
  const { data, error } = trace;
  return (
    <Page
      title={data ? `Delivery of ${data.delivery.eventName}` : "Delivery"}
      lead={<a href={href("/webhooks/log")}>Delivery log</a>}
      actions={data && <Actions delivery={data.delivery} path={path} onChanged={trace.reload} />}
    >
      {error?.status === 404 ? (
        <Empty title="There is no such delivery">The log may have deleted it.</Empty>
      ) : (
        <Problem error={error} />
      )}
      {data === undefined ? (
        error === undefined && <Loading />
      ) : (
        <>
          <About trace={data} />
          <Panel title="Attempts">
            <Timeline trace={data} />
            <Attempts attempts={data.attempts} />
          </Panel>
          <Panel title="Payload">
            <JsonView label="the payload" value={data.payload} />
          </Panel>
          <Panel title="Metadata">
            <JsonView label="the metadata" value={data.metadata} />
          </Panel>
        </>
      )}
    </Page>
  );
}

function Actions(props: {
  readonly delivery: DeliveryView;
  readonly path: string;
  readonly onChanged: () => Promise<void>;
}): VNode {
  const { delivery, path, onChanged } = props;
  const readOnly = useReadOnly();
  const confirm = useConfirm();
  const showToast = useToast();
  const waits = ["waiting", "retrying", "paused"].includes(delivery.state);
  return (
    <>
      {waits && (
        <Button
          reason={readOnly}
          onClick={() =>
            confirm({
              title: "Cancel the delivery?",
              consequence: "The delivery is not attempted again. A replay can still deliver it.",
              action: "Cancel the delivery",
              kind: "danger",
              run: async () => {
                await send("POST", `${path}/cancel`);
                showToast("The delivery is cancelled.");
                await onChanged();
              },
            })
          }
        >
          Cancel the delivery…
        </Button>
      )}
      <Button
        kind="primary"
        reason={readOnly}
        onClick={() =>
          confirm({
            title: "Replay the delivery?",
            consequence:
              "The payload is sent again to the present destination, under the same delivery id.",
            action: "Replay",
            run: async () => {
              await send("POST", `${path}/replay`);
              showToast("The delivery waits for its attempt.");
              await onChanged();
            },
          })
        }
      >
        Replay…
      </Button>
    </>
  );
}

function About({ trace: { delivery } }: { readonly trace: TraceView }): VNode {
  const time = (at: string | null): VNode | string => (at === null ? "–" : <Time at={at} />);
  const webhook = href(`/webhooks/subscriptions/${encodeURIComponent(delivery.subscriptionId)}`);
  return (
    <Panel title="About" actions={<DeliveryBadge of={delivery} />}>
      <dl class="facts">
        <dt>Delivery id</dt>
        <dd class="break">
          <code>{delivery.id}</code>
        </dd>
        <dt>Event</dt>
        <dd class="break">
          <code>{delivery.eventName}</code> <code>{delivery.eventId}</code>
        </dd>
        <dt>Subscription</dt>
        <dd>
          <a class="break" href={webhook}>
            {delivery.destination}
          </a>
          , matched by version {delivery.subscriptionVersion}
        </dd>
        <dt>Scope</dt>
        <dd>{delivery.scope ?? "None"}</dd>
        <dt>First attempt</dt>
        <dd>{time(delivery.firstAttemptAt)}</dd>
        <dt>Last attempt</dt>
        <dd>{time(delivery.lastAttemptAt)}</dd>
        <dt>Next attempt</dt>
        <dd>{time(delivery.nextAttemptAt)}</dd>
      </dl>
    </Panel>
  );
}

function Attempts({ attempts }: { readonly attempts: readonly AttemptView[] }): VNode {
  if (attempts.length === 0) return <Empty title="No attempt yet" />;
  return (
    <ol class="attempts">
      {attempts.toReversed().map((attempt) => (
        <li key={attempt.id}>
          <details>
            <summary>
              <span class="row">
                <strong>
                  {attempt.number === 0 ? "Before the first attempt" : `Attempt ${attempt.number}`}
                </strong>
                <AttemptBadge of={attempt} />
                <span class="muted">
                  {attempt.trigger}, {formatDuration(attempt.durationMs)},{" "}
                  <Time at={attempt.startedAt} />
                </span>
              </span>
            </summary>
            <div class="stack-tight">
              {attempt.error !== null && <p class="pre-line">{attempt.error}</p>}
              {attempt.nextAttemptAt !== null && (
                <p>
                  The next attempt was due <Time at={attempt.nextAttemptAt} />.
                </p>
              )}
              <JsonView
                label={`the headers of attempt ${attempt.number}`}
                value={attempt.requestHeaders}
              />
              {attempt.response !== null && attempt.response !== "" && (
                <pre
                  class="json"
                  tabIndex={0}
                  role="group"
                  aria-label={`Answer to attempt ${attempt.number}`}
                >
                  {attempt.response}
                </pre>
              )}
            </div>
          </details>
        </li>
      ))}
    </ol>
  );
}
