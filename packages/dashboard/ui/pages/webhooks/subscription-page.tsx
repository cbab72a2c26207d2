import type { VNode } from "preact";
import { useState } from "preact/hooks";
import { send, useApi } from "../../api.ts";
import { Button } from "../../components/button.tsx";
import { useConfirm } from "../../components/confirm.tsx";
import { Figure, Figures } from "../../components/figures.tsx";
import { JsonView } from "../../components/json-view.tsx";
import { Names } from "../../components/names.tsx";
import { Empty, Loading, Page, Panel, Problem } from "../../components/page.tsx";
import { Time } from "../../components/time.tsx";
import { useToast } from "../../components/toast-context.ts";
import { formatCount, formatDuration, formatShort } from "../../format.ts";
import { go, href } from "../../router.ts";
import { useReadOnly } from "../../session.ts";
import { RotateDialog } from "./rotate-dialog.tsx";
import { EndpointBadge, WebhookState } from "./states.tsx";
import { TestDialog } from "./test-dialog.tsx";
import type { EndpointView, WebhookView } from "./views.ts";

const healthEveryMs = 5_000;

/** One webhook subscription: its endpoint, its settings, its secrets, and the actions on it. */
export function SubscriptionPage({ id }: { readonly id: string }): VNode {
  const path = `api/webhooks/subscriptions/${encodeURIComponent(id)}`;
  const webhook = useApi<WebhookView>(path);
  const endpoint = useApi<EndpointView>(`${path}/endpoint`, { everyMs: healthEveryMs });
  const { data, error } = webhook;
  return (
    <Page
      title={data?.label ?? data?.destination ?? "Webhook subscription"}
      lead={<a href={href("/webhooks")}>All webhook subscriptions</a>}
      actions={
        data &&
        data.deletedAt === null && <Actions webhook={data} path={path} onChanged={webhook.reload} />
      }
    >
      {error?.status === 404 ? (
        <Empty title="There is no such webhook subscription" />
      ) : (
        <Problem error={error} />
      )}
      {data === undefined ? (
        error === undefined && <Loading />
      ) : (
        <>
          <Endpoint endpoint={endpoint.data} webhook={data} />
          <About webhook={data} />
          <Secrets webhook={data} path={path} onChanged={webhook.reload} />
        </>
      )}
    </Page>
  );
}

interface ActionProps {
  readonly webhook: WebhookView;
  readonly path: string;
  readonly onChanged: () => Promise<void>;
}

function Actions({ webhook, path, onChanged }: ActionProps): VNode {
  const readOnly = useReadOnly();
  const confirm = useConfirm();
  const showToast = useToast();
  const [isTesting, setTesting] = useState(false);
  const { id, enabled } = webhook;
  const name = webhook.label ?? webhook.destination;
  const toggle = (): void =>
    confirm({
      title: `${enabled ? "Disable" : "Enable"} ${name}?`,
      consequence: enabled
        ? "Deliveries wait until the subscription is enabled again. Nothing is lost."
        : "Deliveries that wait are attempted at once, and new events are delivered.",
      action: enabled ? "Disable" : "Enable",
      run: async () => {
        await send("PATCH", path, { enabled: !enabled });
        showToast(`The subscription is ${enabled ? "disabled" : "enabled"}.`);
        await onChanged();
      },
    });
  const remove = (): void =>
    confirm({
      title: `Delete ${name}?`,
      consequence:
        "Deliveries that wait are cancelled, and the subscription gets no more events. Its log stays.",
      action: "Delete the subscription",
      kind: "danger",
      run: async () => {
        await send("DELETE", path);
        showToast("The subscription is deleted.");
        go(href("/webhooks"));
      },
    });
  return (
    <>
      <Button onClick={() => setTesting(true)} reason={readOnly}>
        Send a test…
      </Button>
      <Button
        reason={readOnly}
        onClick={() => go(href(`/webhooks/subscriptions/${encodeURIComponent(id)}/edit`))}
      >
        Edit
      </Button>
      <Button reason={readOnly} onClick={toggle}>
        {enabled ? "Disable…" : "Enable…"}
      </Button>
      <Button kind="danger" reason={readOnly} onClick={remove}>
        Delete…
      </Button>
      {isTesting && <TestDialog webhook={webhook} path={path} onClose={() => setTesting(false)} />}
    </>
  );
}

function Endpoint(props: {
  readonly endpoint: EndpointView | undefined;
  readonly webhook: WebhookView;
}): VNode {
  const { endpoint, webhook } = props;
  const time = (at: string | null | undefined): VNode | string =>
    typeof at === "string" ? <Time at={at} /> : "–";
  return (
    <>
      {webhook.disabled !== null && (
        <div class={`notice notice-${webhook.disabled.kind === "manual" ? "warn" : "bad"}`}>
          <p>
            <strong>The subscription is disabled since </strong>
            <Time at={webhook.disabled.at} />: {webhook.disabled.detail}
          </p>
        </div>
      )}
      <Figures label="Health of the endpoint">
        <Figure name="Endpoint" value={<EndpointBadge of={endpoint} />} />
        <Figure
          name="Failures in a row"
          tone={endpoint && endpoint.failures > 0 ? "warn" : undefined}
          value={endpoint ? formatCount(endpoint.failures) : "–"}
        />
        <Figure name="Failing since" value={time(endpoint?.failingSince)} />
        <Figure
          name="Next attempt of the circuit"
          value={time(endpoint?.openUntil)}
          title="An open circuit breaker lets one attempt through at this time"
        />
        <Figure
          name="Rests until"
          value={time(endpoint?.restsUntil)}
          title="The endpoint has asked for this pause with Retry-After"
        />
        <Figure name="Waiting" value={endpoint ? formatShort(endpoint.waiting) : "–"} />
        <Figure name="In flight" value={endpoint ? formatShort(endpoint.running) : "–"} />
      </Figures>
    </>
  );
}

function About({ webhook }: { readonly webhook: WebhookView }): VNode {
  const { events, destination, notifier, scope, rate, concurrency, orderingKey } = webhook;
  const log = href("/webhooks/log", { query: `subscription_id: ${webhook.id}` });
  return (
    <Panel
      title="About"
      actions={
        <>
          <a href={log}>Delivery log</a>
          <WebhookState of={webhook} />
        </>
      }
    >
      <dl class="facts">
        <dt>Events</dt>
        <dd>
          <Names names={events} />
        </dd>
        <dt>Destination</dt>
        <dd class="break">
          <code>{destination}</code>
        </dd>
        <dt>Notifier</dt>
        <dd>{notifier}</dd>
        <dt>Scope</dt>
        <dd>{scope ?? "All scopes"}</dd>
        <dt>Payload</dt>
        <dd>{payloadWords[webhook.payload]}</dd>
        <dt>Limits</dt>
        <dd>
          {formatCount(concurrency)} at the same time
          {rate !== null && `, ${formatCount(rate.max)} per ${formatDuration(rate.perMs)}`}
        </dd>
        <dt>Order</dt>
        <dd>
          {orderingKey === null
            ? "None"
            : `By ${orderingKey}; a dead delivery ${webhook.onOrderedFailure === "park" ? "holds up the next ones" : "is skipped"}`}
        </dd>
        <dt>Created</dt>
        <dd>
          <Time at={webhook.createdAt} /> {webhook.createdBy !== null && `by ${webhook.createdBy}`}
        </dd>
        <dt>Changed</dt>
        <dd>
          <Time at={webhook.modifiedAt} />{" "}
          {webhook.modifiedBy !== null && `by ${webhook.modifiedBy}`}, version {webhook.version}
        </dd>
      </dl>
      <JsonView
        label="the settings"
        value={{
          settings: webhook.settings,
          retry: webhook.retry,
          filter: webhook.filter,
          redact: webhook.redact,
        }}
      />
    </Panel>
  );
}

const payloadWords: Readonly<Record<WebhookView["payload"], string>> = {
  emitted: "Made when the event is emitted",
  once: "Made once, before the first attempt",
  attempt: "Made anew for each attempt",
};

function Secrets({ webhook, path, onChanged }: ActionProps): VNode {
  const readOnly = useReadOnly();
  const [isOpen, setOpen] = useState(false);
  const { secrets, deletedAt } = webhook;
  return (
    <Panel
      title="Secrets"
      actions={
        <Button
          small
          reason={readOnly ?? (deletedAt === null ? undefined : "The subscription is deleted.")}
          onClick={() => setOpen(true)}
        >
          Rotate the secret…
        </Button>
      }
    >
      {secrets.length === 0 ? (
        <p class="muted">Deliveries to this destination are not signed.</p>
      ) : (
        <ul class="stack-tight">
          {secrets.map(({ id, type, publicKey, createdAt, expiresAt }) => (
            <li key={id}>
              {type === "v1" ? "Symmetric (HMAC-SHA256)" : "Asymmetric (Ed25519)"}, made{" "}
              <Time at={createdAt} />
              {expiresAt !== null && (
                <>
                  , signs until <Time at={expiresAt} />
                </>
              )}
              {publicKey !== null && (
                <div class="small break">
                  Public key: <code>{publicKey}</code>
                </div>
              )}
            </li>
          ))}
        </ul>
      )}
      {isOpen && <RotateDialog path={path} onChanged={onChanged} onClose={() => setOpen(false)} />}
    </Panel>
  );
}
