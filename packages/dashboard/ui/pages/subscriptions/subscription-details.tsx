import type { VNode } from "preact";
import { useState } from "preact/hooks";
import type { SubscriptionList, SubscriptionView } from "../../../src/contract/api.ts";
import type { ApiError } from "../../api.ts";
import { Button } from "../../components/button.tsx";
import { Figure, Figures } from "../../components/figures.tsx";
import { Empty, Loading, Page, Panel, Problem } from "../../components/page.tsx";
import { policyWords } from "../../components/policy.ts";
import { SubscriptionCharts } from "../../components/subscription-charts.tsx";
import { SubscriptionState } from "../../components/subscription-state.tsx";
import { Time } from "../../components/time.tsx";
import { formatCount, formatDuration, formatRate, formatShort } from "../../format.ts";
import { href } from "../../router.ts";
import { useReadOnly } from "../../session.ts";
import { DrainDialog } from "./drain-dialog.tsx";
import { PauseDialog } from "./pause-dialog.tsx";
import { ResumeDialog } from "./resume-dialog.tsx";
import { RetireDialog } from "./retire-dialog.tsx";
import { Waiting } from "./waiting.tsx";

/** One subscription: its numbers, its actions, and its pending deliveries. */
export function SubscriptionDetails(props: {
  readonly id: string;
  /** Undefined: not loaded yet. */
  readonly list: SubscriptionList | undefined;
  readonly error: ApiError | undefined;
  /** Called after an action. */
  readonly onChanged: () => Promise<void>;
}): VNode {
  const { id, list, error, onChanged } = props;
  const subscription = list?.subscriptions.find(({ subscriberId }) => subscriberId === id);
  return (
    <Page
      title={id}
      lead={<a href={href("/subscriptions")}>All subscriptions</a>}
      actions={subscription && <Actions subscription={subscription} onChanged={onChanged} />}
    >
      <Problem error={error} />
      {list === undefined && error === undefined && <Loading />}
      {list !== undefined && subscription === undefined && (
        <Empty title="There is no such subscription">It may have been retired.</Empty>
      )}
      {list !== undefined && subscription !== undefined && (
        <>
          <Numbers subscription={subscription} />
          <SubscriptionCharts subscription={subscription} at={list.at} />
          <About subscription={subscription} />
          <Waiting subscription={subscription} onChanged={onChanged} />
        </>
      )}
    </Page>
  );
}

type Action = "pause" | "resume" | "drain" | "retire";

function Actions(props: {
  readonly subscription: SubscriptionView;
  readonly onChanged: () => Promise<void>;
}): VNode {
  const { subscription } = props;
  const readOnly = useReadOnly();
  const [action, setAction] = useState<Action>();
  const dialog = { ...props, onClose: () => setAction(undefined) };
  const button = (what: Action, text: string): VNode => (
    <Button reason={readOnly} onClick={() => setAction(what)}>
      {text}
    </Button>
  );
  const { paused, pausedEverywhere } = subscription;
  return (
    <>
      {(paused || pausedEverywhere) && button("resume", "Resume…")}
      {!pausedEverywhere && button("pause", "Pause…")}
      {button("drain", "Drain…")}
      {button("retire", "Retire…")}
      {action === "pause" && <PauseDialog {...dialog} />}
      {action === "resume" && <ResumeDialog {...dialog} />}
      {action === "drain" && <DrainDialog {...dialog} />}
      {action === "retire" && <RetireDialog {...dialog} />}
    </>
  );
}

function Numbers({ subscription }: { readonly subscription: SubscriptionView }): VNode {
  const { subscriberId, ready, delayed, inFlight, dead, oldestAt, runs } = subscription;
  const duration = (ms: number | null | undefined): string =>
    typeof ms === "number" ? formatDuration(ms) : "–";
  return (
    <Figures label="Numbers of all processes">
      <Figure name="Ready" value={formatShort(ready)} />
      <Figure name="Delayed" value={formatShort(delayed)} />
      <Figure name="In flight" value={formatShort(inFlight)} />
      <Figure name="Oldest" value={oldestAt === null ? "–" : <Time at={oldestAt} />} />
      <Figure
        name="Dead letters"
        tone={dead > 0 ? "bad" : undefined}
        value={
          dead === 0 ? (
            "0"
          ) : (
            <a href={href("/dead-letters", { subscriberId })}>{formatShort(dead)}</a>
          )
        }
      />
      {runs !== null && (
        <>
          <Figure
            name="Delivered"
            value={
              <>
                {formatRate(runs.perSecond.delivered)}
                <small>/s</small>
              </>
            }
          />
          <Figure
            name="p50"
            value={duration(runs.p50Ms)}
            title="Half of the runs took at most this long"
          />
          <Figure
            name="p95"
            value={duration(runs.p95Ms)}
            title="95 of 100 runs took at most this long"
          />
          <Figure
            name="p99"
            value={duration(runs.p99Ms)}
            title="99 of 100 runs took at most this long"
          />
        </>
      )}
    </Figures>
  );
}

function About({ subscription }: { readonly subscription: SubscriptionView }): VNode {
  const { events, policies, instances, withheld, orphaned } = subscription;
  return (
    <Panel title="About" actions={<SubscriptionState of={subscription} />}>
      {orphaned && (
        <div class="notice notice-bad">
          <strong>
            No process has declared this subscription for long, so it gets no new events.
          </strong>
          {withheld > 0 && <p>It did not get {formatCount(withheld)} events because of that.</p>}
          <p>Start a process that has it, or retire it.</p>
        </div>
      )}
      <dl class="facts">
        <dt>Events</dt>
        <dd class="row">
          {events.map((name) => (
            <a key={name} href={href(`/events/${encodeURIComponent(name)}`)}>
              <code>{name}</code>
            </a>
          ))}
        </dd>
        <dt>Processes</dt>
        <dd>
          {instances === 0
            ? "None has handlers for it"
            : `${formatCount(instances)} ${instances === 1 ? "has" : "have"} handlers for it`}
        </dd>
        <dt>Policy</dt>
        <dd>
          {policies.length === 0
            ? "–"
            : [...new Set(policies.map(policyWords))].map((words) => (
                <div key={words}>{words}</div>
              ))}
        </dd>
      </dl>
    </Panel>
  );
}
