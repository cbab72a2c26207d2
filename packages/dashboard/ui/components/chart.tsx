import type { VNode } from "preact";
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { Empty } from "./page.tsx";

/** A line of a {@link Chart}. */
export interface Series {
  readonly name: string;
  /** One value for each time; null: a gap. */
  readonly values: readonly (number | null)[];
  /** Which colour: 1 blue, 2 green, 3 yellow, 4 red. */
  readonly colour: 1 | 2 | 3 | 4;
}

/** Properties of {@link Chart}. */
export interface ChartProps {
  /** What the chart shows, with its unit: `Events per second`. */
  readonly title: string;
  /** Seconds since the epoch, ascending. */
  readonly times: readonly number[];
  readonly series: readonly Series[];
  readonly format: (value: number) => string;
  /** Whether values are counts, so that there is nothing between 0 and 1. */
  readonly whole?: boolean | undefined;
  /** What to show while there are fewer than two times. */
  readonly empty: string;
}

const height = 180;

/** Lines over time, with a key that has the last value of each. */
export function Chart(props: ChartProps): VNode {
  const { title, times, series, format, empty } = props;
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(null);
  const names = series.map(({ name }) => name).join("\n");
  const isThere = times.length > 1;

  useEffect(() => {
    const place = box.current;
    if (place === null) return;
    const draw = (): void => {
      plot.current?.destroy();
      plot.current = new uPlot(optionsOf(place, props), dataOf(props), place);
    };
    draw();
    const resize = new ResizeObserver(() => {
      plot.current?.setSize({ width: place.clientWidth, height });
    });
    resize.observe(place);
    // Colours are those of the theme at the time of drawing.
    const theme = new MutationObserver(draw);
    theme.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    scheme.addEventListener("change", draw);
    return () => {
      resize.disconnect();
      theme.disconnect();
      scheme.removeEventListener("change", draw);
      plot.current?.destroy();
      plot.current = null;
    };
  }, [names, isThere]);

  useEffect(() => {
    plot.current?.setData(dataOf(props));
  }, [times, series]);

  return (
    <figure class="chart" aria-label={title}>
      <figcaption class="stack-tight">
        <h2>{title}</h2>
        <ul class="key">
          {series.map(({ name, values, colour }) => {
            const last = values.at(-1) ?? null;
            return (
              <li key={name}>
                <span class={`swatch series-${colour}`} aria-hidden="true" />
                {name} <b>{last === null ? "–" : format(last)}</b>
              </li>
            );
          })}
        </ul>
      </figcaption>
      {isThere ? (
        <div ref={box} class="chart-canvas" aria-hidden="true" />
      ) : (
        <div class="chart-empty">
          <Empty title={empty} />
        </div>
      )}
    </figure>
  );
}

function dataOf({ times, series }: ChartProps): uPlot.AlignedData {
  return [[...times], ...series.map(({ values }) => [...values])] as uPlot.AlignedData;
}

/** Steps between the lines of a chart of counts. */
const wholeSteps = Array.from({ length: 12 }, (_, power) =>
  [1, 2, 5].map((n) => n * 10 ** power),
).flat();

/** Seconds that a chart shows at least. */
const leastSeconds = 60;

function optionsOf(place: HTMLElement, { series, format, whole }: ChartProps): uPlot.Options {
  const style = getComputedStyle(place);
  const colour = (name: string): string => style.getPropertyValue(name);
  const axis = {
    stroke: colour("--axis"),
    font: `11px ${style.fontFamily}`,
    grid: { stroke: colour("--grid"), width: 1 },
    ticks: { stroke: colour("--grid"), width: 1, size: 4 },
  };
  return {
    width: place.clientWidth,
    height,
    padding: [8, 8, 0, 0],
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false }, points: { size: 6 } },
    scales: {
      x: { range: (_, from, to) => [Math.min(from, to - leastSeconds), to] },
      y: { range: (_, __, most) => [0, most > 0 ? most * 1.12 : 1] },
    },
    axes: [
      { ...axis, space: 70, size: 28, values: "{HH}:{mm}:{ss}" },
      {
        ...axis,
        space: 34,
        size: 58,
        values: (_, values) => values.map(format),
        ...(whole && { incrs: wholeSteps }),
      },
    ],
    series: [
      {},
      ...series.map(({ name, colour: number }) => ({
        label: name,
        stroke: colour(`--series-${number}`),
        width: 1.75,
        points: { show: false },
      })),
    ],
  };
}
