import type { Metric, Question, Unit } from "./question.ts";
import type { Samples } from "./rounds.ts";

/** The middle of several rounds, and how far they lie apart. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** Spreads by the id of the metric. */
export type Spreads = Readonly<Record<string, Spread>>;

/** What was measured of one contestant. */
export interface Measured {
  readonly id: string;
  readonly label: string;
  readonly metrics: Spreads;
}

/** Two contestants compared, for each metric: above 1, `of` is the faster one. */
export interface Ratio {
  readonly of: string;
  readonly to: string;
  readonly atLeast?: number | undefined;
  readonly metrics: Spreads;
  /** Whether the median reaches `atLeast`, by the metric that has to. */
  readonly met?: Readonly<Record<string, boolean>> | undefined;
}

/** A {@link Question}'s limit, and whether the median keeps below it, by the metric that has it. */
export interface KeptLimit {
  readonly of: string;
  readonly below: number;
  readonly met: Readonly<Record<string, boolean>>;
}

/** A question's answer. */
export interface Answer {
  readonly name: string;
  readonly title: string;
  readonly unit: Unit;
  readonly metrics: readonly Metric[];
  readonly rounds: number;
  readonly contestants: readonly Measured[];
  readonly ratios: readonly Ratio[];
  readonly limits: readonly KeptLimit[];
}

/** Sums up the rounds of a question. A ratio is made within each round, between neighbours in time. */
export function answer(name: string, question: Question, samples: Samples): Answer {
  const ids = question.metrics.map((metric) => metric.id);
  const numbers = (contestant: string, metric: string): readonly number[] =>
    (samples.get(contestant) ?? []).map((sample) => sample[metric] ?? Number.NaN);
  const byMetric = <T>(make: (metric: string) => T): Readonly<Record<string, T>> =>
    Object.fromEntries(ids.map((id) => [id, make(id)]));
  const measured = (contestant: string): Spreads =>
    byMetric((metric) => spread(numbers(contestant, metric)));

  const ratios = (question.comparisons ?? []).map(({ of, to, atLeast, metric: limited }): Ratio => {
    const metrics = byMetric((metric) => {
      const own = numbers(of, metric);
      return spread(numbers(to, metric).map((other, round) => other / (own[round] ?? Number.NaN)));
    });
    const wanted = limited === undefined ? ids : [limited];
    const met =
      atLeast === undefined
        ? undefined
        : Object.fromEntries(
            wanted.map((metric) => [metric, (metrics[metric]?.median ?? 0) >= atLeast]),
          );
    return { of, to, atLeast, metrics, met };
  });
  return {
    name,
    title: question.title,
    unit: question.unit,
    metrics: question.metrics,
    rounds: Math.max(0, ...[...samples.values()].map((rounds) => rounds.length)),
    contestants: question.contestants.map(({ id, label }) => ({
      id,
      label,
      metrics: measured(id),
    })),
    ratios,
    limits: (question.limits ?? []).map(({ of, below, metric }) => {
      const metrics = measured(of);
      const limited = metric === undefined ? ids : [metric].flat();
      const met = limited.map((id) => [id, (metrics[id]?.median ?? Infinity) < below] as const);
      return { of, below, met: Object.fromEntries(met) };
    }),
  };
}

function spread(values: readonly number[]): Spread {
  const sorted = values.toSorted((left, right) => left - right);
  const at = (index: number): number => round(sorted[index] ?? Number.NaN);
  const middle = (sorted.length - 1) / 2;
  return {
    median: round((at(Math.floor(middle)) + at(Math.ceil(middle))) / 2),
    min: at(0),
    max: at(sorted.length - 1),
  };
}

/** To four digits: no number here is more exact. */
function round(value: number): number {
  return Number(value.toPrecision(4));
}
