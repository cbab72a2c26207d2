import type { VNode } from "preact";
import { useState } from "preact/hooks";
import type { ActionResult, DeadErrorView, DeadView } from "../../../src/contract/api.ts";
import { send, useApi } from "../../api.ts";
import { Badge } from "../../components/badge.tsx";
import { Button } from "../../components/button.tsx";
import { useConfirm } from "../../components/confirm.tsx";
import { JsonView } from "../../components/json-view.tsx";
import { Empty, Loading, Page, Panel, Problem } from "../../components/page.tsx";
import { Time } from "../../components/time.tsx";
import { useToast } from "../../components/toast-context.ts";
import { formatExact, plural } from "../../format.ts";
import { go, href } from "../../router.ts";
import { useReadOnly } from "../../session.ts";
import { letterPath, reasonWords } from "./dead-letters.ts";
import { EditDialog } from "./edit-dialog.tsx";

/** One dead letter: why it died, what it carries, and the actions. */
export function DeadLetterDetails(props: {
  readonly subscriberId: string;
  readonly id: string;
}): VNode {
  const { subscriberId, id } = props;
  const { data: letter, error } = useApi<DeadView>(letterPath(subscriberId, id));
  const list = href("/dead-letters", { subscriberId });
  return (
    <Page
      title={letter === undefined ? "Dead letter" : `Dead letter: ${letter.event.name}`}
      lead={<a href={list}>All dead letters of {subscriberId}</a>}
      actions={letter && <Actions letter={letter} onDone={() => go(list)} />}
    >
      <Problem error={error}>
        {error?.status === 404 && (
          <p>The dead letter was replayed or discarded, or it has expired.</p>
        )}
      </Problem>
      {letter === undefined && error === undefined && <Loading />}
      {letter !== undefined && <Content letter={letter} />}
    </Page>
  );
}

function Content({ letter }: { readonly letter: DeadView }): VNode {
  const { id, subscriberId, event, reason, attempts, diedAt, errors } = letter;
  const [tone, word] = reasonWords(reason);
  const facts: readonly (readonly [string, VNode | string])[] = [
    ["Reason", <Badge tone={tone}>{word}</Badge>],
    [
      "Subscription",
      <a href={href(`/subscriptions/${encodeURIComponent(subscriberId)}`)}>{subscriberId}</a>,
    ],
    ["Event", <a href={href(`/events/${encodeURIComponent(event.name)}`)}>{event.name}</a>],
    ["Id of the event", <code>{event.id}</code>],
    ["Id of the dead letter", <code>{id}</code>],
    ["Failed attempts", String(attempts)],
    ["Died", <Time at={diedAt} />],
  ];
  return (
    <>
      <div class="columns">
        <Panel title="Delivery">
          <dl class="facts">
            {facts.map(([name, value]) => (
              <div key={name} class="fact">
                <dt>{name}</dt>
                <dd>{value}</dd>
              </div>
            ))}
          </dl>
        </Panel>
        <Panel title="Event">
          <div class="stack-tight">
            <h3>Data</h3>
            <JsonView value={event.data} label="the data" />
            <h3>Metadata</h3>
            <JsonView value={event.metadata} label="the metadata" />
          </div>
        </Panel>
      </div>
      <Panel title="Attempts">
        {errors.length === 0 ? (
          <Empty title="No attempt has failed">The delivery died before it ran.</Empty>
        ) : (
          <>
            {attempts > errors.length && (
              <p class="muted">
                {plural(attempts, "attempt")} failed. The errors of the first and the last are kept.
              </p>
            )}
            <ol class="stack-tight" aria-label="Errors, the oldest first">
              {errors.map((error, index) => (
                <Attempt key={index} error={error} isLast={index === errors.length - 1} />
              ))}
            </ol>
          </>
        )}
      </Panel>
    </>
  );
}

function Attempt(props: { readonly error: DeadErrorView; readonly isLast: boolean }): VNode {
  const { at, name, message, code, cause, stack } = props.error;
  return (
    <li>
      <p>
        <time class="muted number" dateTime={at}>
          {formatExact(Date.parse(at))}
        </time>{" "}
        {code !== undefined && <Badge>{code}</Badge>}
      </p>
      <p class="pre-line">
        <b>{name}</b>: {message}
      </p>
      {cause !== undefined && <p class="muted pre-line">Caused by {cause}</p>}
      {stack !== undefined && (
        <details open={props.isLast}>
          <summary>Stack</summary>
          <pre class="json" tabIndex={0} role="group" aria-label={`Stack of ${name}`}>
            {stack}
          </pre>
        </details>
      )}
    </li>
  );
}

function Actions(props: { readonly letter: DeadView; readonly onDone: () => void }): VNode {
  const { letter, onDone } = props;
  const { subscriberId, id, event } = letter;
  const confirm = useConfirm();
  const showToast = useToast();
  const readOnly = useReadOnly();
  const [isEditing, setEditing] = useState(false);
  const replay = async (): Promise<void> => {
    await send<ActionResult>("POST", `${letterPath(subscriberId, id)}/replay`);
    showToast(`Replayed ${event.name} to ${subscriberId}.`);
    onDone();
  };
  const discard = async (): Promise<void> => {
    await send<ActionResult>("POST", "api/dead/discard", { subscriberId, ids: [id] });
    showToast(`Discarded the dead letter of ${event.name}.`);
    onDone();
  };
  return (
    <>
      <Button
        kind="primary"
        reason={readOnly}
        onClick={() =>
          confirm({
            title: `Replay ${event.name}?`,
            consequence: `${subscriberId} gets the event again, as if for the first time.`,
            action: "Replay",
            run: replay,
          })
        }
      >
        Replay…
      </Button>
      <Button reason={readOnly} onClick={() => setEditing(true)}>
        Edit and replay…
      </Button>
      <Button
        kind="danger"
        reason={readOnly}
        onClick={() =>
          confirm({
            title: `Discard the dead letter of ${event.name}?`,
            consequence: "It is deleted. This cannot be undone.",
            action: "Discard",
            kind: "danger",
            run: discard,
          })
        }
      >
        Discard…
      </Button>
      {isEditing && (
        <EditDialog letter={letter} onDone={onDone} onClose={() => setEditing(false)} />
      )}
    </>
  );
}
