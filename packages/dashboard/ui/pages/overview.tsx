import type { VNode } from "preact";
import { useCallback, useMemo, useState } from "preact/hooks";
import type { History, Overview, Sample } from "../../src/contract/api.ts";
import { useApi } from "../api.ts";
import { Badge } from "../components/badge.tsx";
import { Figure, Figures } from "../components/figures.tsx";
import { LiveBadge } from "../components/live-badge.tsx";
import { Loading, Page, Panel, Problem } from "../components/page.tsx";
import { Time } from "../components/time.tsx";
import { formatAgo, formatCount, formatDuration, formatRate, formatShort } from "../format.ts";
import { useLive } from "../live.ts";
import { useNow } from "../now.tsx";
import { Guarantees } from "./overview/guarantees.tsx";
import { Instances } from "./overview/instances.tsx";
import { SubscriptionRuns } from "./overview/subscription-runs.tsx";
import { TotalsCharts } from "./overview/totals-charts.tsx";

/** Samples that the charts show: 15 minutes, one each 2 s. */
const mostSamples = 450;

const unreachableMs = 5_000;

/** What the bus does at the moment, in all its processes. */
export function Content(): VNode {
  const [live, setLive] = useState<Overview>();
  const [samples, setSamples] = useState<readonly Sample[]>([]);
  const state = useLive("api/live", {
    history: useCallback((history: History) => setSamples(history.samples), []),
    overview: useCallback((overview: Overview) => {
      setLive(overview);
      setSamples((before) => [...before, overview].slice(-mostSamples));
    }, []),
  });
  // The first numbers, and all of them while there is no stream: some proxies hold it back.
  const { data, error } = useApi<Overview>("api/overview", {
    everyMs: state === "live" ? undefined : unreachableMs,
  });
  const overview = newest(live, data);
  return (
    <Page title="Overview" actions={<LiveBadge state={state} />}>
      {state !== "live" && <Problem error={error} />}
      {overview === undefined ? (
        <Loading />
      ) : (
        <>
          <Health overview={overview} />
          <Totals overview={overview} />
          <TotalsCharts samples={samples} />
          <SubscriptionRuns overview={overview} />
          <Instances instances={overview.instances} />
          <Guarantees provider={overview.provider} guarantees={overview.guarantees} />
        </>
      )}
    </Page>
  );
}

function newest(a: Overview | undefined, b: Overview | undefined): Overview | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return a.at > b.at ? a : b;
}

function Health({ overview }: { readonly overview: Overview }): VNode {
  const { health, provider, bus } = overview;
  const words = {
    up: ["good", "Works"],
    degraded: ["warn", "Works in part"],
    down: ["bad", "Does not work"],
  } as const;
  const [tone, text] = words[health.status];
  return (
    <Panel>
      <div class="row row-between">
        <div class="row">
          <Badge tone={tone}>{text}</Badge>
          <strong>{bus}</strong>
          <span class="muted">
            on the provider <code>{provider}</code>, since <Time at={health.since} />
          </span>
        </div>
        {health.detail !== null && <span>{health.detail}</span>}
      </div>
    </Panel>
  );
}

function Totals({ overview }: { readonly overview: Overview }): VNode {
  const { rates, totals, statsLagMs } = overview;
  const now = useNow();
  const oldest = useMemo(
    () => (totals.oldestAt === null ? "–" : formatAgo(Date.parse(totals.oldestAt), now)),
    [totals.oldestAt, now],
  );
  const perSecond = (value: number): VNode => (
    <>
      {formatRate(value)}
      <small>/s</small>
    </>
  );
  return (
    <Figures
      label={`Numbers of all processes${statsLagMs > 0 ? `, up to ${formatDuration(statsLagMs)} old` : ""}`}
    >
      <Figure name="Emitted" value={perSecond(rates.emitted)} />
      <Figure name="Delivered" value={perSecond(rates.delivered)} />
      <Figure
        name="Failed"
        value={perSecond(rates.failed)}
        tone={rates.failed > 0 ? "warn" : undefined}
      />
      <Figure name="Dead" value={perSecond(rates.dead)} tone={rates.dead > 0 ? "bad" : undefined} />
      <Figure
        name="Backlog"
        value={formatShort(totals.backlog)}
        title={
          statsLagMs > 0
            ? undefined
            : `${formatCount(totals.ready)} ready, ${formatCount(totals.delayed)} delayed, ${formatCount(totals.inFlight)} in flight`
        }
      />
      <Figure name="Oldest pending" value={oldest} />
      <Figure
        name="Dead letters"
        value={formatShort(totals.dead)}
        tone={totals.dead > 0 ? "bad" : undefined}
      />
    </Figures>
  );
}
