import type { VNode } from "preact";
import { useMemo } from "preact/hooks";
import type { Sample } from "../../../src/contract/api.ts";
import { Chart, type Series } from "../../components/chart.tsx";
import { Panel } from "../../components/page.tsx";
import { ageOf } from "../../components/subscription-charts.tsx";
import { formatDuration, formatRate, formatShort } from "../../format.ts";

const collecting = "The first samples are being collected";

/** The last 15 minutes of all processes, as charts. */
export function TotalsCharts({ samples }: { readonly samples: readonly Sample[] }): VNode {
  const times = useMemo(() => samples.map(({ at }) => Date.parse(at) / 1000), [samples]);
  const rates = useMemo<readonly Series[]>(
    () => [
      { name: "Emitted", colour: 1, values: samples.map((sample) => sample.rates.emitted) },
      { name: "Delivered", colour: 2, values: samples.map((sample) => sample.rates.delivered) },
      { name: "Failed", colour: 3, values: samples.map((sample) => sample.rates.failed) },
      { name: "Dead", colour: 4, values: samples.map((sample) => sample.rates.dead) },
    ],
    [samples],
  );
  const backlog = useMemo<readonly Series[]>(
    () => [{ name: "Backlog", colour: 1, values: samples.map(({ totals }) => totals.backlog) }],
    [samples],
  );
  const oldest = useMemo<readonly Series[]>(
    () => [
      {
        name: "Age",
        colour: 3,
        values: samples.map(({ at, totals }) => ageOf({ at, oldestAt: totals.oldestAt })),
      },
    ],
    [samples],
  );
  return (
    <div class="charts">
      <Panel>
        <Chart
          title="Per second"
          times={times}
          series={rates}
          format={formatRate}
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
  );
}
