import type { VNode } from "preact";
import { useEffect, useMemo, useState } from "preact/hooks";
import type {
  SubscriptionHistory,
  SubscriptionSample,
  SubscriptionView,
} from "../../src/contract/api.ts";
import { useApi } from "../api.ts";
import { formatDuration, formatShort } from "../format.ts";
import { Chart, type Series } from "./chart.tsx";
import { Panel, Problem } from "./page.tsx";

/** Samples that the charts show: 15 minutes, one each 2 s. */
const mostSamples = 450;

const collecting = "The first samples are being collected";

/**
 * The run times, the backlog and the oldest pending event of a subscription over the last 15 minutes. It goes on with
 * each new `subscription`.
 *
 * @param at When `subscription` was true: a text of ISO 8601.
 */
export function SubscriptionCharts(props: {
  readonly subscription: SubscriptionView;
  readonly at: string;
}): VNode {
  const { subscription, at } = props;
  const { subscriberId } = subscription;
  const history = useApi<SubscriptionHistory>(
    `api/subscriptions/${encodeURIComponent(subscriberId)}/history`,
  );
  const [since, setSince] = useState<readonly SubscriptionSample[]>([]);
  useEffect(() => setSince([]), [subscriberId]);
  useEffect(() => {
    const { ready, delayed, inFlight, oldestAt, runs } = subscription;
    const { p50Ms = null, p95Ms = null, p99Ms = null } = runs ?? {};
    const sample = { at, backlog: ready + delayed + inFlight, oldestAt, p50Ms, p95Ms, p99Ms };
    setSince((before) => [...before, sample].slice(-mostSamples));
  }, [subscriberId, at]);

  const samples = useMemo(() => {
    const past = history.data?.samples ?? [];
    const last = past.at(-1)?.at ?? "";
    return [...past, ...since.filter((sample) => sample.at > last)].slice(-mostSamples);
  }, [history.data, since]);
  const times = useMemo(() => samples.map((sample) => Date.parse(sample.at) / 1000), [samples]);
  const runs = useMemo<readonly Series[]>(
    () => [
      { name: "p50", colour: 2, values: samples.map(({ p50Ms }) => p50Ms) },
      { name: "p95", colour: 1, values: samples.map(({ p95Ms }) => p95Ms) },
      { name: "p99", colour: 3, values: samples.map(({ p99Ms }) => p99Ms) },
    ],
    [samples],
  );
  const backlog = useMemo<readonly Series[]>(
    () => [{ name: "Backlog", colour: 1, values: samples.map((sample) => sample.backlog) }],
    [samples],
  );
  const oldest = useMemo<readonly Series[]>(
    () => [{ name: "Age", colour: 3, values: samples.map(ageOf) }],
    [samples],
  );
  return (
    <>
      <Problem error={history.error} />
      <div class="charts">
        <Panel>
          <Chart
            title="Run time"
            times={times}
            series={runs}
            format={formatDuration}
            empty={collecting}
          />
        </Panel>
        <Panel>
          <Chart
            title="Pending deliveries"
            times={times}
            series={backlog}
            format={formatShort}
            whole
            empty={collecting}
          />
        </Panel>
        <Panel>
          <Chart
            title="Oldest pending event"
            times={times}
            series={oldest}
            format={formatDuration}
            empty={collecting}
          />
        </Panel>
      </div>
    </>
  );
}

/** How long the oldest pending delivery has waited at a moment, in milliseconds. */
export function ageOf(sample: { readonly at: string; readonly oldestAt: string | null }): number {
  const { at, oldestAt } = sample;
  return oldestAt === null ? 0 : Math.max(0, Date.parse(at) - Date.parse(oldestAt));
}
